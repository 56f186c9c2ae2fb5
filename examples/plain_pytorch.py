"""A plain PyTorch loop: three lines teach the network to look at the boxes.

python examples/plain_pytorch.py [--synthetic]
"""

import timm
import torch
from lesions import batch_of, lesions, tell
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader

import lesioncare as lc


def main() -> None:
    torch.manual_seed(0)
    data = lesions()
    model = timm.create_model("test_resnet", num_classes=len(data.table.classes))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)

    guide = lc.AttentionGuide(model, loss=lc.CARELoss(tau=0.9), alpha=0.5)
    losses = []
    for _ in range(6):
        for batch in DataLoader(data, batch_size=8, shuffle=True, collate_fn=batch_of):
            with guide.watch():
                logits = model(batch["images"])
            loss = guide.combine(cross_entropy(logits, batch["labels"]), batch["labels"], batch["boxes"])
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.detach())
    tell(losses)


if __name__ == "__main__":
    main()
