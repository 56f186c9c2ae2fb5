"""`lesioncare compare`: which arm is best for the rare classes, and is the difference real?"""

import shlex
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lesioncare.cli import options
from lesioncare.cli.stopping import GOES_ON, when_stopped
from lesioncare.errors import ConfigError, LesionCareError
from lesioncare.words import several

if TYPE_CHECKING:
    from lesioncare.experiment import Cell, ComparisonConfig
    from lesioncare.experiment.runners import Runner

__all__ = ["compare"]

EXAMPLES = (
    "[bold]Examples[/bold]\n\n"
    "lesioncare compare table.csv --boxes boxes.csv --arms ce,care,energy-all,balanced-softmax+energy-all\n\n"
    "lesioncare compare table.csv --arms ce,focal --folds 0,1 --seeds 3 --freeze auto --workers 4\n\n"
    "lesioncare compare --config plan.yaml --dry-run\n\n"
    "The same command again goes on where a stopped comparison was; more arms, folds or seeds may be "
    "added.\n\n"
    "[bold]plan.yaml[/bold]\n\n"
    "table: table.csv\n\n"
    "schedule: {epochs: 10}\n\n"
    "arms: {ce: null, ours: {attention: energy-all, boxes: other.csv}}"
)

_PLAN, _DATA, _MODEL, _SCHEDULE, _WHERE = "Comparison", "Data", "Network", "Training", "Where it runs"


def _option(text: str, panel: str, *names: str) -> Any:
    return typer.Option(*names, help=text, rich_help_panel=panel, show_default=False)


def compare(
    table: Annotated[
        Path | None, typer.Argument(help="CSV or Parquet file with one row per image.", show_default=False)
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Directory of the comparison.", rich_help_panel=_PLAN)
    ] = Path("comparison"),
    arms: Annotated[
        str | None, _option("Names with commas, each \\[remedy]\\[+attention\\[-all|-rare]], or ce.", _PLAN)
    ] = None,
    folds: Annotated[
        str | None, _option("5: all of five; 0,1: these of five; 0,1/10: of ten. \\[default: 5]", _PLAN)
    ] = None,
    seeds: Annotated[str | None, _option("3: three of them; 0,5: these. \\[default: 1]", _PLAN)] = None,
    config: Annotated[
        Path | None, _option("YAML file with arms and options; the options here count first.", _PLAN)
    ] = None,
    dry_run: Annotated[bool, _option("List the cells, and train nothing.", _PLAN, "--dry-run")] = False,
    images: options.ImageRoot = None,
    boxes: options.BoxFile = None,
    image_column: options.ImageColumn = None,
    label_column: options.LabelColumn = None,
    group_column: options.GroupColumn = None,
    split_column: options.SplitColumn = None,
    box_columns: options.BoxColumns = None,
    rare: Annotated[str | None, _option("auto, or names: DF,VASC. \\[default: auto]", _DATA)] = None,
    validation: Annotated[
        float | None, _option("Share of the training images kept for validation. \\[default: 0.1]", _DATA)
    ] = None,
    model: Annotated[
        str | None, _option("A timm model, or package.module:function. \\[default: resnet50]", _MODEL)
    ] = None,
    weights: Annotated[
        str | None, _option("pretrained, none, or a local file. \\[default: pretrained]", _MODEL)
    ] = None,
    image_size: Annotated[
        str | None, _option("224 or HEIGHTxWIDTH. \\[default: the model's]", _MODEL)
    ] = None,
    freeze: Annotated[
        str | None, _option("none, auto (all but the last stage), or a layer. \\[default: none]", _MODEL)
    ] = None,
    views: Annotated[
        int | None, _option("Augmented views kept of each image. \\[default: 4]", _MODEL)
    ] = None,
    epochs: Annotated[int | None, _option("Epochs. \\[default: 20]", _SCHEDULE)] = None,
    batch_size: Annotated[int | None, _option("Images per step. \\[default: 32]", _SCHEDULE)] = None,
    learning_rate: Annotated[
        float | None, _option("Largest learning rate. \\[default: 0.0005]", _SCHEDULE)
    ] = None,
    augment: Annotated[
        str | None, _option("none, flips, light, dermoscopy or chest. \\[default: light]", _SCHEDULE)
    ] = None,
    accelerator: Annotated[str | None, _option("auto, cpu or gpu. \\[default: auto]", _SCHEDULE)] = None,
    workers: Annotated[
        int | None, _option("Cells at a time, each in a process. \\[default: 1]", _WHERE)
    ] = None,
    threads: Annotated[
        int | None, _option("Threads of each cell. \\[default: the cores, shared among the workers]", _WHERE)
    ] = None,
    ray: Annotated[
        str | None,
        _option("Run on a Ray cluster: its address, auto, or local. \\[default: without Ray]", _WHERE),
    ] = None,
    drop_weights: Annotated[
        bool,
        _option(
            "Delete each cell's weights when it was tested, to spare the disk; results and maps stay.",
            _WHERE,
            "--drop-weights",
        ),
    ] = False,
    cache_dir: Annotated[
        Path | None,
        _option(
            "Folder that keeps frozen features, for other comparisons too. \\[default: in the comparison]",
            _WHERE,
        ),
    ] = None,
) -> None:
    """Train several arms on the same folds from the same seeds, and say which differences are real.

    An arm is a remedy for imbalance, a loss of attention, or both: ce is plain cross-entropy,
    balanced-softmax+energy-all is balanced softmax with energy attention on the boxes of all classes. Every
    arm is told with and without logit adjustment after training. The first arm is what the others are
    compared with. Options that are not here are set in the YAML file.
    """
    when_stopped(GOES_ON)
    columns = options.column_options(
        image=image_column, label=label_column, group=group_column, split=split_column, box=box_columns,
        unit=None,
    )  # fmt: skip
    given = {
        "table": table, "images": images, "boxes": boxes, "arms": arms, "folds": folds, "seeds": seeds,
        "data": {**columns, "rare": options.rare_names(rare), "validation": validation},
        "model": {
            "name": model, "weights": weights, "image_size": options.image_size(image_size),
            "freeze": freeze, "views": views,
        },
        "schedule": {
            "epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate, "augment": augment,
            "accelerator": accelerator,
        },
    }  # fmt: skip
    plan = _plan(config, given)
    if dry_run:
        _list(plan, output)
        return
    _run(plan, output, _runner(workers, threads, ray), cache_dir, drop_weights=drop_weights)


def _plan(path: Path | None, given: dict[str, Any]) -> "ComparisonConfig":
    """The YAML file's settings, and over them what was given as options."""
    from lesioncare.experiment import ComparisonConfig, read_plan  # noqa: PLC0415  these load torch
    from lesioncare.experiment.arms import read_part  # noqa: PLC0415

    settings = {} if path is None else read_plan(path)
    if path is None and given["arms"] is None:
        raise ConfigError("There are no arms: give --arms ce,care,energy-all, or a --config file.")
    for name, value in given.items():
        if isinstance(value, dict):
            chosen = {option: one for option, one in value.items() if one is not None}
            if chosen:
                settings[name] = read_part(name, settings.get(name, {}), "comparison") | chosen
        elif value is not None:
            settings[name] = value
    plan = ComparisonConfig.build(settings)
    data = next(iter(plan.arms.values())).data
    options.tell_columns(data.table, data.model_dump(), *["box"] * (data.box_file is not None))
    return plan


def _runner(workers: int | None, threads: int | None, ray: str | None) -> "Runner":
    from lesioncare.experiment import InOrder, InProcesses, OnRay  # noqa: PLC0415

    for name, value in (("workers", workers), ("threads", threads)):
        if value is not None and value < 1:
            raise ConfigError(f"--{name} must be at least 1, but got {value}.")
    if ray is not None:
        return OnRay(ray, workers, threads)
    return InOrder(threads) if workers in (None, 1) else InProcesses(workers or 1, threads)


def _run(
    plan: "ComparisonConfig", output: Path, runner: "Runner", cache_dir: Path | None, *, drop_weights: bool
) -> None:
    from lesioncare.cli.show_comparison import save_report, show_comparison  # noqa: PLC0415
    from lesioncare.experiment import Comparison, run_comparison  # noqa: PLC0415
    from lesioncare.experiment.compare import CellsFailedError  # noqa: PLC0415

    command = shlex.join(["lesioncare", *sys.argv[1:]])
    try:
        comparison = run_comparison(
            plan,
            output,
            cache_dir=cache_dir,
            runner=runner,
            drop_weights=drop_weights,
            command=command,
            progress=_Progress(),
        )
    except CellsFailedError:
        with suppress(LesionCareError):  # tell the others, where there is enough of them
            save_report(Comparison.load(output))
        raise
    show_comparison(comparison)
    if comparison.statistics is not None:
        save_report(comparison)


class _Progress:
    """One line for each cell that has ended: how many there are, and how long the others will take."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._ended = 0

    def __call__(self, cell: "Cell", done: int, total: int) -> None:
        self._ended += 1
        left = (time.monotonic() - self._start) / self._ended * (total - done)
        time_left = f"; about {_duration(left)} left" if done < total else ""
        print(f"{done} of {several(total, 'cell')}: {cell}{time_left}", flush=True)


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def _list(plan: "ComparisonConfig", output: Path) -> None:
    from lesioncare.training import RunDirectory  # noqa: PLC0415

    trained = {cell.path: cell for cell in plan.trainings}
    finished = {path for path in trained if RunDirectory(output / path).complete}
    for cell in plan.cells:
        same = f" (the same training as {trained[cell.path].arm})" if trained[cell.path] != cell else ""
        print(f"{cell}: {cell.path}{same}{' (finished)' if cell.path in finished else ''}")
    left = len(trained) - len(finished)
    sizes = {"arm": len(plan.arms), "fold": len(plan.folds), "seed": len(plan.seeds)}
    product = " x ".join(several(number, name) for name, number in sizes.items())
    print(f"{product}: {several(len(trained), 'training')}, {left} of them to do.")
