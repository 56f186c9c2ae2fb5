"""What attention costs in a training step, beside a plain step and beside the ways that a user has today.

    python benchmarks/step_time.py                              # CPU: about half an hour on two quiet cores
    python benchmarks/step_time.py --device cuda --batch 64 --size 224 --amp bf16 --channels-last
    python benchmarks/step_time.py --device cuda --models resnet50 --batch 256 --size 224 --amp bf16 \
        --channels-last --compile

adds rows to `step_time.csv` beside this file, one for each model, share of boxed images and way:

* `plain`: forward, cross-entropy, backward, SGD step.
* `closed_form`, `head_autograd`: the same with an `AttentionGuide`, whose head is taken as it is found, or
  differentiated although it need not be (where the head is not linear there is only the second).
* `half_gradient`: `gradient="half"` where the head is not linear: differentiated once, not twice.
* `second_backward`: the published code's scheme: the true logits are sent back through the whole network to
  get the map's weights, then the loss is.
* `captum`: captum's `LayerGradCam` on the boxed images, with `create_graph`.
* `whole_autograd`: `autograd.grad` of the true logits back to the image, with `create_graph`; the features'
  gradient is taken on the way.

All ways run in turns in one process, on one model and one batch, so many rounds; `ratio` is the median over
the rounds of a way's time over that of the plain step of its round, `ratio_low` and `ratio_high` its
quartiles. `peak` is the highest memory during a step above what is held between steps, over the plain step's.
"""

import argparse
import csv
import dataclasses
import importlib.util
import statistics
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import timm
import torch
from memory import allocated_peak
from torch import Tensor, nn
from torch.nn import functional

from lesioncare.attention import AttentionGuide, CARELoss, Regions, find_target
from lesioncare.training.compilation import CompiledTrunk

HERE = Path(__file__).parent
MODELS = (
    "resnet18",
    "resnet50",
    "efficientnet_b0",
    "convnext_atto",
    "densenet121",
    "vgg11",
    "vit_tiny_patch16_224",
)
FIXED_SIZE = {"vit_tiny_patch16_224": 224}
FIELDS = (
    *("device", "model", "batch", "size", "setting", "boxed", "way", "rounds"),
    *("ms", "ratio", "ratio_low", "ratio_high", "peak_mb", "peak_ratio"),
)
ALPHA = 0.5
Step = Callable[[], Tensor]


@dataclasses.dataclass
class Bench:
    """A model, a batch of which a share has a box, and how steps are done."""

    model: nn.Module
    images: Tensor
    labels: Tensor
    boxes: list[Tensor]
    options: argparse.Namespace

    def __post_init__(self) -> None:
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=1e-4)
        self.run: Callable[[Tensor], Tensor] = (
            torch.compile(self.model) if self.options.compile else self.model
        )
        self.watched = self._compiled() if self.options.compile else self.model
        self.boxed = [row for row, box in enumerate(self.boxes) if len(box)]
        self.rows = torch.tensor(self.boxed, device=self.images.device)
        layer = "map" if self.options.compile else None
        self.guide = AttentionGuide(self.watched, loss=CARELoss(), alpha=ALPHA, target_layer=layer)

    def _compiled(self) -> nn.Module:
        """All up to the map as one compiled graph, the head as it is, as in `lesioncare train --compile`."""
        return CompiledTrunk(self.model, find_target(self.model, (self.images[:2],), {}).name)

    def amp(self) -> Any:
        """The precision of the forward pass."""
        kind = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(self.options.amp)
        return nullcontext() if kind is None else torch.autocast(self.images.device.type, kind)

    def step(self, way: Callable[["Bench"], Tensor]) -> float:
        """Do one training step; give its milliseconds."""
        self.wait()
        start = time.perf_counter()
        self.optimizer.zero_grad(set_to_none=True)
        way(self).backward()
        self.optimizer.step()
        self.wait()
        return 1000 * (time.perf_counter() - start)

    def wait(self) -> None:
        """Let the device finish."""
        if self.images.device.type == "cuda":
            torch.cuda.synchronize()

    def peak(self, way: Callable[["Bench"], Tensor]) -> float:
        """The most that is allocated at once during a step above what was held before it, in MB."""
        self.optimizer.zero_grad(set_to_none=True)
        if self.images.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
            before = torch.cuda.memory_allocated()
            self.step(way)
            return (torch.cuda.max_memory_allocated() - before) / 1e6
        return allocated_peak(lambda: self.step(way))

    def loss_of_maps(self, logits: Tensor, maps: Tensor) -> Tensor:
        """The whole loss, from maps that were made in another way."""
        size = (int(self.images.shape[-2]), int(self.images.shape[-1]))
        regions = Regions(
            [self.boxes[row] for row in self.boxed], size, tuple(maps.shape[-2:]), device=maps.device
        )
        attention = CARELoss()(maps.float(), regions).sum() / len(logits)
        return (1 - ALPHA) * functional.cross_entropy(logits, self.labels) + ALPHA * attention


def plain(bench: Bench) -> Tensor:
    """Cross-entropy."""
    with bench.amp():
        return functional.cross_entropy(bench.run(bench.images), bench.labels)


def guided(bench: Bench) -> Tensor:
    """Cross-entropy and attention."""
    with bench.amp(), bench.guide.watch():
        logits = bench.watched(bench.images)
    loss = functional.cross_entropy(logits, bench.labels)
    return bench.guide.combine(loss, bench.labels, bench.boxes)


def second_backward(bench: Bench) -> Tensor:
    """The published scheme: gradients of the true logits through the whole network, then the loss's."""
    features: list[Tensor] = []
    handle = bench.guide.target.layer.register_forward_hook(lambda _m, _i, output: features.append(output))
    with bench.amp():
        logits = bench.run(bench.images)
    handle.remove()
    features[0].retain_grad()
    logits[bench.rows, bench.labels[bench.rows]].sum().backward(retain_graph=True)
    assert features[0].grad is not None
    weights = features[0].grad[bench.rows].mean((2, 3)).detach()
    bench.optimizer.zero_grad(set_to_none=True)  # the published code forgets this
    return bench.loss_of_maps(logits, torch.einsum("bk,bkhw->bhw", weights, features[0][bench.rows]))


def captum(bench: Bench) -> Tensor:
    """The maps from captum, differentiable."""
    from captum.attr import LayerGradCam  # noqa: PLC0415  a way that is left out where captum is not there

    with bench.amp():
        logits = bench.run(bench.images)
        maps = LayerGradCam(bench.model, bench.guide.target.layer).attribute(
            bench.images[bench.rows],
            target=bench.labels[bench.rows],
            grad_kwargs={"create_graph": True, "retain_graph": True},
        )
    return bench.loss_of_maps(logits, maps[:, 0])


def whole_autograd(bench: Bench) -> Tensor:
    """The maps from one differentiable gradient that runs back to the image."""
    features: list[Tensor] = []
    handle = bench.guide.target.layer.register_forward_hook(lambda _m, _i, output: features.append(output))
    images = bench.images.detach().requires_grad_()
    with bench.amp():
        logits = bench.run(images)
    handle.remove()
    score = logits[bench.rows, bench.labels[bench.rows]].sum()
    gradient, _ = torch.autograd.grad(score, (features[0], images), create_graph=True)
    weights = gradient[bench.rows].mean((2, 3))
    return bench.loss_of_maps(logits, torch.einsum("bk,bkhw->bhw", weights, features[0][bench.rows]))


def ways_of(bench: Bench, options: argparse.Namespace) -> dict[str, Callable[[Bench], Tensor]]:
    """What runs in turns; the first is the plain step."""
    found = bench.guide.target
    as_found = dataclasses.replace(found)

    def with_head(bench: Bench) -> Tensor:
        bench.guide._targets = (dataclasses.replace(found, linear=None),)  # as if it were not linear
        try:
            return guided(bench)
        finally:
            bench.guide._targets = (as_found,)

    def with_half(bench: Bench) -> Tensor:
        full = bench.guide.options
        bench.guide.options = dataclasses.replace(full, gradient="half")
        try:
            return guided(bench)
        finally:
            bench.guide.options = full

    ways: dict[str, Callable[[Bench], Tensor]] = {"plain": plain}
    if found.closed_form:
        ways["closed_form"] = guided
    ways["head_autograd"] = with_head
    if not found.closed_form:
        ways["half_gradient"] = with_half
    maps_as_images = found.closed_form or bench.options.model.startswith("vgg")
    if options.others and maps_as_images and not options.compile:
        ways |= {"second_backward": second_backward, "whole_autograd": whole_autograd}
        if importlib.util.find_spec("captum"):
            ways["captum"] = captum
    return ways


def make(name: str, share: float, options: argparse.Namespace) -> Bench:
    """A model with 7 classes and random images, of which a share has a box of half the sides."""
    torch.manual_seed(0)
    size = FIXED_SIZE.get(name, options.size)
    model = timm.create_model(name, num_classes=7).to(options.device).train()
    images = torch.randn(options.batch, 3, size, size, device=options.device)
    if options.channels_last:
        model, images = (
            model.to(memory_format=torch.channels_last),
            images.to(memory_format=torch.channels_last),
        )
    boxed = round(share * options.batch)
    box = torch.tensor([[0.25 * size, 0.25 * size, 0.75 * size, 0.75 * size]])
    boxes = [box if row < boxed else torch.empty(0, 4) for row in range(options.batch)]
    labels = torch.randint(0, 7, (options.batch,), device=options.device)
    return Bench(model, images, labels, boxes, argparse.Namespace(**vars(options), model=name))


def measure(name: str, share: float, options: argparse.Namespace) -> list[dict[str, Any]]:
    """The rows of one model and share."""
    bench = make(name, share, options)
    with torch.compiler.set_stance("force_eager" if options.compile else "default"):
        guided(bench).backward()  # finds the target layer
    ways = ways_of(bench, options)
    for way in ways.values():
        for _ in range(options.warmup):
            bench.step(way)
    times: dict[str, list[float]] = {way: [] for way in ways}
    for round_ in range(options.rounds):
        order = list(ways) if round_ % 2 == 0 else list(ways)[::-1]
        for way in order:
            times[way].append(bench.step(ways[way]))
    peaks = {name: bench.peak(way) for name, way in ways.items()}
    rows = []
    for way, spent in times.items():
        ratios = [own / base for own, base in zip(spent, times["plain"], strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        rows.append(
            {
                **{"device": device_name(options), "model": name, "batch": options.batch},
                **{"size": bench.images.shape[-1], "setting": setting(options), "boxed": f"{share:.0%}"},
                **{"way": way, "rounds": options.rounds, "ms": f"{statistics.median(spent):.2f}"},
                **{"ratio": f"{middle:.3f}", "ratio_low": f"{low:.3f}", "ratio_high": f"{high:.3f}"},
                **{
                    "peak_mb": f"{peaks[way]:.0f}",
                    "peak_ratio": f"{peaks[way] / peaks['plain']:.4f}",
                },
            }
        )
    return rows


def setting(options: argparse.Namespace) -> str:
    """Precision, memory format and compilation, in short."""
    words = [options.amp or "fp32"]
    words += ["channels_last"] * options.channels_last + ["compile"] * options.compile
    return "+".join(words)


def device_name(options: argparse.Namespace) -> str:
    """The GPU's name, or how many threads of the CPU."""
    if options.device == "cuda":
        return torch.cuda.get_device_name()
    return f"cpu, {torch.get_num_threads()} threads"


def keep(rows: list[dict[str, Any]], path: Path) -> None:
    """Add rows; those of the same model and setting that were there are replaced."""
    same = FIELDS[:7]
    old = list(csv.DictReader(path.open())) if path.exists() else []
    new = {tuple(str(row[field]) for field in same) for row in rows}
    left = [row for row in old if tuple(row[field] for field in same) not in new]
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, FIELDS)
        writer.writeheader()
        writer.writerows(left + rows)


def main() -> None:
    """Measure and write the CSV."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--shares", nargs="+", type=float, default=(0.1, 0.5))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--amp", choices=("bf16", "fp16"))
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument(
        "--no-others", dest="others", action="store_false", help="only plain and guided steps"
    )
    parser.add_argument("--output", type=Path, default=HERE / "step_time.csv")
    options = parser.parse_args()
    for name in options.models:
        for share in options.shares:
            rows = measure(name, share, options)
            keep(rows, options.output)
            for row in rows:
                print(*(row[field] for field in FIELDS[1:]), flush=True)


if __name__ == "__main__":
    main()
