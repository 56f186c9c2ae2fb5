"""Every family of timm and torchvision: is the map found, is it in its place, and can it be taught?

    python benchmarks/families.py                  # all that families.csv has not yet; --only NAME for some

writes `families.csv` beside this file and the table in `docs/networks.md`. Of each family (each model module
of timm, each of torchvision's classification models) one small member is tried, with random weights:

* **outputs**: the logits with and without a guide, in evaluation and in training mode from one seed: equal
  bit for bit; hooks gone, `state_dict` keys as before.
* **place**, where the layer's output is not a map as it is: each quarter of the map changes most when noise
  is added to that quarter of the images.
* **energy**: the share of the map's positive energy in random boxes, in training mode from one seed, before
  and after 20 steps on one batch of four images (AdamW, rate 0.001; half cross-entropy, half CARE loss).

Each model runs in a process of its own under a time limit; one that fails is a row with a remark.
"""

import argparse
import csv
import io
import multiprocessing
import time
from collections.abc import Callable
from contextlib import nullcontext
from itertools import product
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from family_cases import build, cases
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from lesioncare.attention import AttentionGuide, CARELoss, EnergyLoss, Regions
from lesioncare.attention.tap import first_image, logits_of, tap

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "networks.md"
BEGIN, END = "<!-- table: benchmarks/families.py -->\n", "<!-- end of table -->\n"
STEPS = 20
FIELDS = (
    "family", "model", "parameters", "image_size", "grid", "layout", "target_layer", "head", "energy_before",
    "energy_after", "outputs_unchanged", "place", "seconds", "remark",
)  # fmt: skip
Row = dict[str, Any]
Arguments = tuple[Any, ...]
Inputs = Callable[[Tensor], Arguments]


def alone(images: Tensor) -> Arguments:
    """What most models are called with."""
    return (images,)


def study(family: str) -> Row:
    """Try the family's model; what is found, as a row."""
    torch.manual_seed(0)
    return examine(build(family), cases()[family].size)


def examine(model: nn.Module, size: int, inputs: Inputs = alone, steps: int = STEPS) -> Row:
    """Watch a model of three classes and teach it.

    Args:
        model: what it is.
        size: side of the images, in pixels.
        inputs: makes the model's arguments of a batch of images.
        steps: how many steps it is taught.
    """
    images, labels = torch.randn(4, 3, size, size), torch.tensor([0, 1, 2, 0])
    row: Row = {"parameters": sum(parameter.numel() for parameter in model.parameters())}
    keys, hooks = list(model.state_dict()), hook_count(model)
    guide = AttentionGuide(model, loss=CARELoss(), alpha=0.5)
    unchanged = same_outputs(model, guide, inputs(images), training=False)
    unchanged &= same_outputs(model, guide, inputs(images), training=True)
    target = guide.target
    features = features_of(model, guide, inputs(images))
    row |= {
        "grid": f"{features.shape[2]}x{features.shape[3]}",
        "layout": str(target.layout),
        "target_layer": target.name,
        "head": "closed form" if target.closed_form else "head gradient",
    }
    if target.layout.kind != "channels first":  # there a map is a map
        row["place"] = "right" if in_place(model, guide, images) else "wrong"
    before, after, fall = taught(model, guide, (inputs(images), labels, random_boxes(images)), steps)
    unchanged &= list(model.state_dict()) == keys and hook_count(model) == hooks
    row |= {"energy_before": before, "energy_after": after, "outputs_unchanged": "yes" if unchanged else "no"}
    row["remark"] = remark_on(row, fall)
    return row


def same_outputs(model: nn.Module, guide: AttentionGuide, arguments: Arguments, training: bool) -> bool:
    """Whether the logits with a guide are those without."""
    model.train(training)
    outputs = []
    for watch in (nullcontext(), guide.watch(always=True)):
        torch.manual_seed(1)
        with watch:
            outputs.append(logits_of(model(*arguments)).detach())
    return torch.equal(*outputs)


def features_of(model: nn.Module, guide: AttentionGuide, arguments: Arguments) -> Tensor:
    """The target layer's map [N, K, h, w] in evaluation mode."""
    model.eval()
    target = guide.target
    with torch.no_grad(), tap(model, lambda: target.layer, layout=lambda: target.layout) as passes:
        model(*arguments)
    return passes[0].features[target.run]


def in_place(model: nn.Module, guide: AttentionGuide, images: Tensor) -> bool:
    """Whether a change in each quarter of the images changes that quarter of the map most."""
    half = images.shape[-1] // 2
    before = features_of(model, guide, (images,))
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(2)) * 3
    changes = []
    for top, left in product((0, half), repeat=2):
        quarter = torch.zeros_like(images)
        quarter[..., top : top + half, left : left + half] = 1
        change = (features_of(model, guide, (images + quarter * noise,)) - before).abs().sum((0, 1))
        changes.append(functional.adaptive_avg_pool2d(change[None], 2).flatten())
    return torch.stack(changes).argmax(0).tolist() == [0, 1, 2, 3]


def taught(
    model: nn.Module, guide: AttentionGuide, batch: tuple[Arguments, Tensor, list[Tensor]], steps: int
) -> tuple[float, float, str]:
    """The energy in the boxes, in training mode from one seed, before and after some steps on one batch.

    The third part tells from where to where the CARE loss went.
    """
    arguments, labels, boxes = batch
    _, (height, width) = first_image(arguments, {}, None)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3)

    def watched(always: bool = False) -> Tensor:
        model.train()
        torch.manual_seed(3)  # one dropout mask
        with guide.watch(always=always):
            return logits_of(model(*arguments))

    def state() -> tuple[float, float]:
        watched(always=True)
        maps = guide.class_activation_map(labels).detach()
        regions = Regions(boxes, (height, width), (maps.shape[1], maps.shape[2]))
        return 1 - float(EnergyLoss()(maps, regions).mean()), float(CARELoss()(maps, regions).mean())

    before, care_before = state()
    for _ in range(steps):
        logits = watched()
        optimiser.zero_grad()
        guide.combine(functional.cross_entropy(logits, labels), labels, boxes).backward()
        optimiser.step()
    after, care_after = state()
    return before, after, f"{care_before:.2f} to {care_after:.2f}"


def random_boxes(images: Tensor) -> list[Tensor]:
    """One box in each image, between a third and a half of it wide and high."""
    number, size = len(images), images.shape[-1]
    generator = torch.Generator().manual_seed(4)
    sides = size * (1 / 3 + torch.rand(number, 2, generator=generator) / 6)
    corners = (size - sides) * torch.rand(number, 2, generator=generator)
    return [box[None] for box in torch.cat((corners, corners + sides), 1)]


def hook_count(model: nn.Module) -> int:
    """How many entries the hook tables of all modules have."""
    tables = [table for module in model.modules() for name, table in vars(module).items() if "hooks" in name]
    return sum(len(table) for table in tables if isinstance(table, dict))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", nargs="*", help="families, like timm:resnet; tried anew")
    parser.add_argument("--limit", type=int, default=240, help="seconds for one model")
    options = parser.parse_args()
    rows = read_rows(HERE / "families.csv")
    wanted = options.only or [family for family in cases() if family not in rows]
    for family in tqdm(wanted, unit="family", disable=None):
        rows[family] = in_own_process(family, options.limit)
        write(HERE / "families.csv", as_csv(rows))
    text = PAGE.read_text("utf-8")
    head, tail = text.split(BEGIN)[0], text.split(END)[1]
    write(PAGE, head + BEGIN + as_table(rows) + END + tail)


def in_own_process(family: str, limit: int) -> Row:
    """The row of one family; what goes wrong is its remark."""
    case, begun = cases()[family], time.perf_counter()
    row: Row = dict.fromkeys(FIELDS, "") | {
        "family": family, "model": case.model, "image_size": case.size, "outputs_unchanged": "no",
    }  # fmt: skip
    context = multiprocessing.get_context("fork")  # the libraries are imported once; no thread runs yet
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=study_and_send, args=(family, sender))
    process.start()
    sender.close()
    try:
        found = receiver.recv() if receiver.poll(limit) else {"remark": f"not done in {limit} s"}
    except EOFError:
        found = {"remark": "the process ended early"}
    process.kill()
    process.join()
    row |= found | {"seconds": round(time.perf_counter() - begun, 1)}
    if row["energy_after"] != "":
        row |= {name: f"{row[name]:.4f}" for name in ("energy_before", "energy_after")}
    return row


def study_and_send(family: str, sender: Connection) -> None:
    """The child's part."""
    torch.set_num_threads(1)
    try:
        sender.send(study(family))
    except Exception as error:  # noqa: BLE001  whatever it is, it is this row's remark
        sender.send({"remark": f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]})


def remark_on(row: Row, fall: str) -> str:
    """What a reader must know of a row that is not as it should be."""
    remarks = []
    if not row["energy_after"] > row["energy_before"]:
        remarks.append(f"the energy does not rise; the CARE loss goes from {fall}")
    if row.get("place") == "wrong":
        remarks.append("the map's cells are not shown to be in place")
    if row["outputs_unchanged"] != "yes":
        remarks.append("the outputs change")
    return "; ".join(remarks)


def read_rows(path: Path) -> dict[str, Row]:
    """The rows of an earlier run, by family."""
    if not path.exists():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        return {row["family"]: dict(row) for row in csv.DictReader(file)}


def as_csv(rows: dict[str, Row]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, FIELDS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows[family] for family in cases() if family in rows)
    return text.getvalue()


def as_table(rows: dict[str, Row]) -> str:
    """The rows as Markdown, for people."""
    lines = [
        "| family | model tried | parameters | map | layout | target layer | head | energy | remark |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for family, case in cases().items():
        if family not in rows:
            lines.append(f"| {family} | `{case.model}` |  |  |  |  |  |  | not tried yet |")
        else:
            row = {name: str(value) for name, value in rows[family].items()}
            millions = f"{int(row['parameters']) / 1e6:.2f} M" if row["parameters"] else ""
            energy = (
                f"{float(row['energy_before']):.2f} to {float(row['energy_after']):.2f}" if millions else ""
            )
            cells = (
                family, f"`{row['model']}`", millions, row["grid"], row["layout"], f"`{row['target_layer']}`",
                row["head"], energy, row["remark"],
            )  # fmt: skip
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def write(path: Path, text: str) -> None:
    """Whole, or not at all."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


if __name__ == "__main__":
    main()
