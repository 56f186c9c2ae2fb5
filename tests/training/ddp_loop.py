"""A plain torch loop with the guide, `python ddp_loop.py RANK PROCESSES STORE OUT`: each has its share."""

import sys

import torch
from torch import distributed, nn
from torch.nn.functional import cross_entropy
from torch.nn.parallel import DistributedDataParallel

from lesioncare.attention import AttentionGuide

STEPS, IMAGES = 10, 8


def network(head: str) -> nn.Module:
    """Without batch norm, whose averages of half a batch are not those of the whole."""
    torch.manual_seed(0)
    ends = {"closed": [nn.Linear(12, 3)], "differentiated": [nn.Linear(12, 8), nn.Tanh(), nn.Linear(8, 3)]}
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2), nn.GroupNorm(2, 8), nn.SiLU(), nn.Conv2d(8, 12, 3, 2), nn.SiLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), *ends[head],
    )  # fmt: skip


def batch(step: int) -> tuple[torch.Tensor, torch.Tensor, list[torch.Tensor]]:
    """Every box is in the first half: the second process never has one; in every third step nobody has."""
    generator = torch.Generator().manual_seed(step)
    images = torch.rand(IMAGES, 3, 24, 24, generator=generator)
    labels = torch.randint(3, (IMAGES,), generator=generator)
    boxes = [torch.empty(0, 4) for _ in range(IMAGES)]
    for image in range(0 if step % 3 == 2 else 1 + step % 3):
        boxes[image] = torch.tensor([[2.0 + image, 3.0, 15.0, 18.0]])
    return images, labels, boxes


def main(rank: int, processes: int, store: str, out: str) -> None:
    """Train each kind of head, and leave the first process's parameters."""
    torch.set_num_threads(1)
    if processes > 1:
        distributed.init_process_group("gloo", f"file://{store}", rank=rank, world_size=processes)
    learnt = {}
    for head in ("closed", "differentiated"):
        model = network(head)
        guide = AttentionGuide(model, alpha=0.5)
        parallel = DistributedDataParallel(model) if processes > 1 else model
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        share = IMAGES // processes
        own = slice(rank * share, (rank + 1) * share)
        for step in range(STEPS):
            images, labels, boxes = (part[own] for part in batch(step))
            with guide.watch():
                logits = parallel(images)
            loss = guide.combine(cross_entropy(logits, labels), labels, boxes)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        learnt[head] = {name: tensor.detach().clone() for name, tensor in model.named_parameters()}
    if processes > 1:
        distributed.barrier()
        distributed.destroy_process_group()
    if rank == 0:
        torch.save(learnt, out)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4])
