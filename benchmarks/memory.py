"""What attention costs in memory: growth over many steps, and the peak of one step.

    python benchmarks/memory.py [--steps 1000]

writes `memory.csv` beside this file, a row for each network and way:

* `tensors_grown`, `rss_grown_mb`: live tensors (as the garbage collector counts them) and resident memory
  after the last step, less those after the first 50; networks are tiny, so that whatever a step leaves
  behind shows.
* `peak_mb`, `peak_ratio`: the most that was allocated at once during one step of forward, backward and
  update, above what was held before, and over that of the plain step. Allocations are those that torch's
  profiler records (`profile_memory`), summed in the order of their time: they depend on the code alone, not
  on the machine.

The ways are a plain step and one with an `AttentionGuide`; every second image has a box. A hidden layer in
the head makes the guide differentiate it; the other networks have the closed form.
"""

import argparse
import csv
import gc
from collections.abc import Callable
from pathlib import Path

import timm
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.profiler import ProfilerActivity, profile

from lesioncare.attention import AttentionGuide

HERE = Path(__file__).parent
HIDDEN = " with a hidden layer"
GROWTH = ("test_resnet", f"test_resnet{HIDDEN}")
PEAK = ("resnet18", "efficientnet_b0", f"resnet18{HIDDEN}")
FIELDS = ("network", "closed_form", "way", "steps", "tensors_grown", "rss_grown_mb", "peak_mb", "peak_ratio")
WARM_UP = 50


class Training:
    """A network in training, whose every second image has a box; without a guide, plainly."""

    def __init__(self, name: str, *, guided: bool, images: int, size: int) -> None:
        torch.manual_seed(0)
        self.model: nn.Module = network(name).train()
        self.guide = AttentionGuide(self.model) if guided else None
        self.images, self.labels = torch.rand(images, 3, size, size), torch.arange(images) % 7
        box, nothing = torch.tensor([[0.1, 0.2, 0.6, 0.7]]) * size, torch.empty(0, 4)
        self.boxes = [nothing if row % 2 else box for row in range(images)]
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=1e-3)

    def step(self) -> None:
        """Forward, backward, update."""
        loss = self._loss()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    def _loss(self) -> Tensor:
        if self.guide is None:
            return cross_entropy(self.model(self.images), self.labels)
        with self.guide.watch():
            logits = self.model(self.images)
        return self.guide.combine(cross_entropy(logits, self.labels), self.labels, self.boxes)


def network(name: str) -> nn.Module:
    """Timm's, for seven classes, with a hidden layer in its head if its name says so."""
    model: nn.Module = timm.create_model(name.removesuffix(HIDDEN), num_classes=7)
    if name.endswith(HIDDEN):
        width = model.fc.in_features
        model.fc = nn.Sequential(nn.Linear(width, 32), nn.Tanh(), nn.Linear(32, 7))
    return model


def live_tensors() -> int:
    """How many tensors there are."""
    gc.collect()
    return sum(issubclass(type(thing), Tensor) for thing in gc.get_objects())


def resident_mb() -> float:
    """This process's resident memory, in MB."""
    line = next(row for row in Path("/proc/self/status").read_text().splitlines() if row.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def growth(training: Training, steps: int) -> tuple[int, float]:
    """Tensors and MB after the last step, less those after the first `WARM_UP`."""
    for _ in range(WARM_UP):
        training.step()
    before = live_tensors(), resident_mb()
    for _ in range(steps):
        training.step()
    return live_tensors() - before[0], resident_mb() - before[1]


def peak_mb(training: Training) -> float:
    """The peak of a step, in MB."""
    training.step()  # finds the layer, and makes what stays
    training.optimizer.zero_grad()
    return allocated_peak(training.step)


def allocated_peak(step: Callable[[], object]) -> float:
    """The most that is allocated on the CPU at once during a step, above what was held before, in MB."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        step()
    events = [event for event in record.profiler.kineto_results.events() if event.name() == "[memory]"]
    held = highest = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        held += event.nbytes()
        highest = max(highest, held)
    return highest / 1e6


def main() -> None:
    """Measure both, and write the table."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--steps", type=int, default=1000)
    steps = options.parse_args().steps
    torch.set_num_threads(1)
    rows = []
    for name in GROWTH:
        for way in ("plain", "guided"):
            training = Training(name, guided=way == "guided", images=4, size=64)
            tensors, mb = growth(training, steps)
            form = training.guide.target.closed_form if training.guide else ""
            found = {"steps": steps, "tensors_grown": tensors, "rss_grown_mb": f"{mb:.1f}"}
            rows.append({"network": name, "closed_form": form, "way": way, **found})
            print(rows[-1], flush=True)
    for name in PEAK:
        plain = peak_mb(Training(name, guided=False, images=8, size=224))
        training = Training(name, guided=True, images=8, size=224)
        for way, mb in (("plain", plain), ("guided", peak_mb(training))):
            form = training.guide.target.closed_form if way == "guided" else ""
            found = {"peak_mb": f"{mb:.1f}", "peak_ratio": f"{mb / plain:.4f}"}
            rows.append({"network": name, "closed_form": form, "way": way, **found})
            print(rows[-1], flush=True)
    with (HERE / "memory.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, FIELDS)
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
