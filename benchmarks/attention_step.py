"""What each kind of attention adds to a training step, on one CPU core.

    python benchmarks/attention_step.py

Each arm takes a whole step (forward, loss, backward, optimiser) of its own ResNet-18 on the same images, of
which half have something to look at. The arms run in turns; a ratio is that of an arm's time and the plain
step's in the same round, in CPU time, so that another program's load counts for little; its median over
the rounds. Writes `attention_step.csv` beside this file.
"""

import argparse
import csv
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import timm
import torch
from torch.nn import functional

from lesioncare.attention import AttentionGuide, EnergyLoss, InputGradientLoss

HERE = Path(__file__).parent
CLASSES, SIZE = 7, 96
LAST: dict[str, Any] = {"loss": EnergyLoss()}
STAGES = ["layer4", "layer3", "layer2"]
ARMS: dict[str, tuple[dict[str, Any] | None, str]] = {  # the guide's options, and what it is given
    "plain": (None, "boxes"),
    "last layer, boxes": (LAST, "boxes"),
    "last layer, masks": (LAST, "masks"),
    "last layer, three labels": (LAST, "labels"),
    "layer3": (LAST | {"target_layer": "layer3"}, "boxes"),
    "layer3, half": (LAST | {"target_layer": "layer3", "gradient": "half"}, "boxes"),
    "layer4 + layer3 + layer2, LayerCAM": (LAST | {"target_layer": STAGES, "cam": "layer-cam"}, "boxes"),
    "layer4 + layer3 + layer2, LayerCAM, half": (
        LAST | {"target_layer": STAGES, "cam": "layer-cam", "gradient": "half"},
        "boxes",
    ),
    "input gradient": ({"loss": InputGradientLoss()}, "boxes"),
}


def batch(images: int) -> dict[str, Any]:
    """Random images, one label or three each, and a box or a mask for every second one."""
    torch.manual_seed(0)
    box = torch.tensor([[20.0, 30.0, 60.0, 80.0]])
    masks = torch.zeros(images, SIZE, SIZE)
    masks[::2, 30:80, 20:60] = 1
    findings = torch.zeros(images, CLASSES)
    findings[:, :3] = 1
    return {
        "images": torch.rand(images, 3, SIZE, SIZE),
        "labels": torch.arange(images) % CLASSES,
        "boxes": [box if index % 2 == 0 else box[:0] for index in range(images)],
        "masks": masks,
        "findings": findings,
    }


def make_step(options: dict[str, Any] | None, kind: str, data: dict[str, Any]) -> Callable[[], None]:
    """One step of a network of its own."""
    torch.manual_seed(0)
    model = timm.create_model("resnet18", num_classes=CLASSES)
    optimiser = torch.optim.SGD(model.parameters(), lr=1e-3)
    guide = None if options is None else AttentionGuide(model, **options)
    given = {"masks": data["masks"]} if kind == "masks" else {"boxes": data["boxes"]}

    def step() -> None:
        if guide is None:
            loss = functional.cross_entropy(model(data["images"]), data["labels"])
        else:
            with guide.watch():
                logits = model(data["images"])
            target = data["findings"] if kind == "labels" else data["labels"]
            classification = functional.cross_entropy(logits, data["labels"])
            loss = guide.combine(classification, target, **given)
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()

    return step


def seconds(action: Callable[[], None]) -> float:
    start = time.process_time()
    action()
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=9)
    words = parser.parse_args()
    torch.set_num_threads(1)
    data = batch(words.images)
    steps = {name: make_step(options, kind, data) for name, (options, kind) in ARMS.items()}
    for step in steps.values():
        step()  # finds the layers
    times = [{name: seconds(step) for name, step in steps.items()} for _ in range(words.rounds)]
    with (HERE / "attention_step.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["arm", "step_in_plain_steps", "lowest", "highest"])
        for name in steps:
            ratios = [row[name] / row["plain"] for row in times]
            row = (name, *(f"{value:.2f}" for value in (statistics.median(ratios), min(ratios), max(ratios))))
            writer.writerow(row)
            print(*row, sep="\t")


if __name__ == "__main__":
    main()
