"""`lesioncare train`: from a table to a trained network and a report."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lesioncare.cli import options
from lesioncare.cli.stopping import GOES_ON, when_stopped

if TYPE_CHECKING:
    from lesioncare.evaluation import BoxesOfRun, RunResult

__all__ = ["train"]

EXAMPLES = (
    "[bold]Examples[/bold]\n\n"
    "lesioncare train table.csv --output runs/first --baseline\n\n"
    "lesioncare train table.csv --boxes boxes.csv --freeze auto  [dim](no GPU needed)[/dim]\n\n"
    "lesioncare train table.csv --model tf_efficientnet_lite0 --weights lite0.safetensors --fold 2\n\n"
    "The same command again goes on where a stopped run was."
)

_DATA, _MODEL, _SCHEDULE, _ATTENTION, _REMEDY = "Data", "Network", "Training", "Attention", "Imbalance"


def _option(text: str, panel: str, *names: str) -> Any:
    return typer.Option(*names, help=text, rich_help_panel=panel)


def train(
    table: options.Table,
    output: Annotated[Path, _option("Directory of the run.", _DATA, "--output", "-o")] = Path("run"),
    images: options.ImageRoot = None,
    boxes: options.BoxFile = None,
    min_score: Annotated[float, _option("Leave out boxes of the file with a lower score.", _DATA)] = 0.0,
    test_boxes: Annotated[
        str,
        _option(
            "Boxes to judge test images by: same as for training, table for its columns, or a file.",
            _DATA,
        ),
    ] = "same",
    image_column: options.ImageColumn = None,
    label_column: options.LabelColumn = None,
    group_column: options.GroupColumn = None,
    split_column: options.SplitColumn = None,
    box_columns: options.BoxColumns = None,
    box_unit: options.BoxUnit = "auto",
    rare: Annotated[
        str, _option("auto: fewer than half of the average class's images; or names: DF,VASC.", _DATA)
    ] = "auto",
    folds: Annotated[int, _option("Folds, where the table has no split.", _DATA)] = 5,
    fold: Annotated[int, _option("The fold to test on, counted from 0.", _DATA)] = 0,
    validation: Annotated[float, _option("Share of the training images kept for validation.", _DATA)] = 0.1,
    check_images: Annotated[bool, _option("Decode every image before training.", _DATA)] = True,
    model: Annotated[str, _option("A timm model, or package.module:function.", _MODEL)] = "resnet50",
    weights: Annotated[str, _option("pretrained (downloads), none, or a local file.", _MODEL)] = "pretrained",
    image_size: Annotated[
        str | None, _option("224 or HEIGHTxWIDTH. \\[default: the model's]", _MODEL)
    ] = None,
    freeze: Annotated[str, _option("none, auto (all but the last stage), or a layer.", _MODEL)] = "none",
    cache: Annotated[
        str,
        _option(
            "auto: keep frozen features, else decoded images, on disk; always: views too; never.", _MODEL
        ),
    ] = "auto",
    views: Annotated[int, _option("Augmented views kept of each image.", _MODEL)] = 4,
    cache_dir: Annotated[
        Path | None,
        _option(
            "Folder that keeps both, for other runs too. \\[default: in the run, deleted at its end]", _MODEL
        ),
    ] = None,
    target_layer: Annotated[
        list[str] | None,
        _option(
            "Layer of the attention map; for several, name each with the option again. \\[default: found]",
            _MODEL,
        ),
    ] = None,
    epochs: Annotated[int, _option("Epochs.", _SCHEDULE)] = 20,
    batch_size: Annotated[int, _option("Images per step.", _SCHEDULE)] = 32,
    learning_rate: Annotated[float, _option("Largest learning rate (AdamW, cosine).", _SCHEDULE)] = 5e-4,
    weight_decay: Annotated[float, _option("Weight decay.", _SCHEDULE)] = 0.01,
    augment: Annotated[str, _option("none, flips, light, dermoscopy or chest.", _SCHEDULE)] = "light",
    seed: Annotated[int, _option("Seed of everything random.", _SCHEDULE)] = 0,
    augment_on: Annotated[
        str, _option("Augment a whole batch in one go (batch), or each image alone (item).", _SCHEDULE)
    ] = "batch",
    workers: Annotated[str, _option("Processes that load images: auto or a number.", _SCHEDULE)] = "auto",
    accelerator: Annotated[str, _option("auto, cpu or gpu.", _SCHEDULE)] = "auto",
    devices: Annotated[int, _option("GPUs, or processes on the CPU.", _SCHEDULE)] = 1,
    strategy: Annotated[str, _option("Of several devices: auto or ddp.", _SCHEDULE)] = "auto",
    precision: Annotated[
        str, _option("auto, or as Lightning names it: 32-true, bf16-mixed ...", _SCHEDULE)
    ] = "auto",
    channels_last: Annotated[
        str, _option("Weights and images as NHWC: auto (on a GPU), yes or no.", _SCHEDULE)
    ] = "auto",
    compile_model: Annotated[
        bool, _option("Compile the network (torch.compile).", _SCHEDULE, "--compile/--no-compile")
    ] = False,
    accumulate: Annotated[int, _option("Batches whose gradients make one step.", _SCHEDULE)] = 1,
    grad_checkpointing: Annotated[
        bool, _option("Compute blocks twice instead of keeping them.", _SCHEDULE)
    ] = False,
    ema: Annotated[
        float | None,
        _option("Test the weights' moving average, of this decay: 0.999. \\[default: off]", _SCHEDULE),
    ] = None,
    logger: Annotated[str, _option("csv or tensorboard.", _SCHEDULE)] = "csv",
    select: Annotated[
        str,
        _option("End with the last epoch (last), or the one that is best on validation (best).", _SCHEDULE),
    ] = "last",
    patience: Annotated[
        int | None,
        _option("Stop after so many epochs without a better validation. \\[default: never]", _SCHEDULE),
    ] = None,
    attention: Annotated[
        str,
        _option("care, energy, l1, outside-square, in-box-cross-entropy, input-gradient, none.", _ATTENTION),
    ] = "care",
    attend: Annotated[
        str, _option("Whose boxes the loss sees: those of the rare classes (rare), or all.", _ATTENTION)
    ] = "all",
    alpha: Annotated[
        float, _option("Weight of attention; 1 - alpha is that of classification.", _ATTENTION)
    ] = 0.5,
    tau: Annotated[float, _option("CARE: inside attention above it gains nothing.", _ATTENTION)] = 0.9,
    outer: Annotated[str, _option("CARE: outside weights, uniform or distance.", _ATTENTION)] = "uniform",
    gradient: Annotated[str, _option("full, or half: the map's weights as constants.", _ATTENTION)] = "full",
    reduction: Annotated[
        str,
        _option(
            "Losses of a batch: summed (sum), over all its images (batch), or over those with a box (boxed).",
            _ATTENTION,
        ),
    ] = "batch",
    resolution: Annotated[
        str,
        _option("Map and boxes are compared at the map's size (feature) or the image's (image).", _ATTENTION),
    ] = "feature",
    evidence: Annotated[
        str, _option("class: the map of the class; contrast: against its closest rival.", _ATTENTION)
    ] = "class",
    cam: Annotated[
        str, _option("The maps that are guided: grad-cam, or layer-cam for early, fine layers.", _ATTENTION)
    ] = "grad-cam",
    start_epoch: Annotated[int, _option("First epoch with attention, counted from 0.", _ATTENTION)] = 0,
    remedy: Annotated[
        str,
        _option(
            "none; weighted, focal, class-balanced, class-balanced-focal, ldam-drw, logit-adjusted, "
            "balanced-softmax, seesaw, label-smoothing; balanced-sampler, sqrt-sampler, progressive-sampler; "
            "mixup, cutmix; crt, tau-norm, lws.",
            _REMEDY,
        ),
    ] = "none",
    gamma: Annotated[float, _option("Focal: how fast the loss fades.", _REMEDY)] = 2.0,
    beta: Annotated[
        float, _option("Class-balanced, LDAM: towards 1 is inverse frequency.", _REMEDY)
    ] = 0.9999,
    adjust_tau: Annotated[float, _option("Logit-adjusted: strength.", _REMEDY)] = 1.0,
    ldam_margin: Annotated[float, _option("LDAM: margin of the rarest class.", _REMEDY)] = 2.0,
    drw_start: Annotated[float, _option("LDAM: share of the epochs before weights.", _REMEDY)] = 0.8,
    smoothing: Annotated[float, _option("Label smoothing: share that is spread.", _REMEDY)] = 0.1,
    mix_alpha: Annotated[float, _option("mixup, CutMix: Beta(alpha, alpha).", _REMEDY)] = 1.0,
    second_epochs: Annotated[int, _option("cRT, LWS: epochs of the final layer.", _REMEDY)] = 10,
    norm_tau: Annotated[
        float | None, _option("tau-norm: strength, 0 to 1. \\[default: the best on validation]", _REMEDY)
    ] = None,
    baseline: Annotated[bool, _option("Also train without attention, and compare.", _ATTENTION)] = False,
    overwrite: Annotated[
        bool, _option("Delete a run that is in the directory, and train anew.", _DATA)
    ] = False,
) -> None:
    """Train a classifier that looks at the lesions, test it, and write a report.

    The table needs a column with the image and one with the class; a group column (patient, lesion) keeps
    one lesion's images on one side; boxes come from columns of the table or from a file. Images without a
    box are trained on as usual.
    """
    chosen = dict(locals())
    when_stopped("The same command without --overwrite goes on from here." if overwrite else GOES_ON)
    columns = options.column_options(
        image=image_column,
        label=label_column,
        group=group_column,
        split=split_column,
        box=box_columns,
        unit=box_unit,
    )
    data = {
        "table": table,
        "image_root": images,
        "box_file": boxes,
        "rare": options.rare_names(rare),
        **columns,
    }
    parts = {
        "data": data | _pick(chosen, "min_score test_boxes folds fold validation check_images"),
        "model": {
            "name": model,
            "image_size": options.image_size(image_size),
            "target_layer": options.layer_names(target_layer),
        }
        | _pick(chosen, "weights freeze cache views"),
        "schedule": {"compile": compile_model}
        | _pick(
            chosen,
            "epochs batch_size learning_rate weight_decay augment augment_on seed workers accelerator "
            "devices strategy precision channels_last accumulate grad_checkpointing ema logger select "
            "patience",
        ),
        "attention": {"loss": attention}
        | _pick(chosen, "attend alpha tau outer gradient reduction resolution evidence cam start_epoch"),
        "remedy": {"method": remedy}
        | _pick(
            chosen,
            "gamma beta adjust_tau ldam_margin drw_start smoothing mix_alpha second_epochs norm_tau",
        ),
    }
    options.tell_columns(table, columns, *["box"] * (boxes is not None))
    _run(parts, output, baseline=baseline, cache_dir=cache_dir, overwrite=overwrite)


def _run(
    parts: dict[str, Any], output: Path, *, baseline: bool, cache_dir: Path | None, overwrite: bool
) -> None:
    from lesioncare.cli.show import show_path, show_results  # noqa: PLC0415  these load torch
    from lesioncare.experiment import train_pair  # noqa: PLC0415
    from lesioncare.report import build_report  # noqa: PLC0415
    from lesioncare.training import TrainConfig  # noqa: PLC0415
    from lesioncare.training import train as train_one  # noqa: PLC0415
    from lesioncare.training.trainer import is_first_process  # noqa: PLC0415

    config = TrainConfig.build(**parts)
    how: dict[str, Any] = {"cache_dir": cache_dir, "overwrite": overwrite}
    if is_first_process():
        how["tell_boxes"] = _tell_boxes
    runs: tuple[RunResult, ...]
    if baseline:
        runs = train_pair(config, output, announce=_announce, **how)
    else:
        runs = (train_one(config, output, **how),)
    if not is_first_process():
        return
    show_results(runs)
    show_path("Report", build_report(runs, output / "report.html"))


def _announce(arm: str) -> None:
    print(f"Training: {arm}", flush=True)


def _tell_boxes(boxes: "BoxesOfRun") -> None:
    print(" ".join(boxes.sentences()), flush=True)


def _pick(chosen: dict[str, Any], names: str) -> dict[str, Any]:
    return {name: chosen[name] for name in names.split()}
