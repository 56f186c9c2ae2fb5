"""The model card: what the network was trained on, how well it does, and what it is not for."""

from collections.abc import Iterator, Sequence

from lesioncare.deploy.manifest import Check, Manifest
from lesioncare.evaluation import Interval, calibration, interval
from lesioncare.evaluation.intervals import MIN_GROUPS, few_groups, title
from lesioncare.training.apply import TrainedRun

__all__ = ["model_card"]

_FIRST = ("balanced_accuracy", "balanced_accuracy_adjusted", "rare_recall", "rare_recall_adjusted")
_LAST = ("energy:rare", "energy:common")


def model_card(trained: TrainedRun, manifest: Manifest) -> str:
    """Markdown, as a model hub shows it; all numbers are those of the run's own test part."""
    parts = (_head, _use, _files, _data, _numbers, _training, _limits)
    return "\n".join(line for part in parts for line in (*part(trained, manifest), ""))


def _head(trained: TrainedRun, manifest: Manifest) -> Iterator[str]:
    library = ["library_name: timm"] if "timm" in manifest.files else []
    tags = ["tags:", "- image-classification", "- medical-imaging", "- lesioncare"]
    yield from ["---", *library, *tags, "license: other  # yours to set, see Licence below", "---", ""]
    yield f"# {manifest.model}: {len(manifest.classes)} classes, trained with {manifest.run}"
    yield ""
    yield "*Research software. It is not a medical device, and no result of it is a diagnosis.*"
    attention = trained.config.attention
    if attention.loss != "none":
        yield ""
        yield (
            f"Trained with attention ({attention.loss}, on the boxes of "
            f"{'the rare classes' if attention.attend == 'rare' else 'all classes'}). That was in training "
            "only: the network is the plain one, and needs no boxes."
        )


def _use(trained: TrainedRun, manifest: Manifest) -> Iterator[str]:
    del trained
    yield from ("## Intended use", "")
    yield (
        f"Research on images like those that it was trained on: it names one of {len(manifest.classes)} "
        "classes for every image, even one that shows none of them. *Write here for whom, on which images "
        "and under whose supervision it is meant.*"
    )
    yield ""
    yield "```console"
    yield "$ lesioncare predict THIS_FOLDER new_images/ --output predictions.csv"
    yield "```"
    yield ""
    p = manifest.preprocessing
    yield (
        f"Inputs: RGB, {p.height} x {p.width} pixels (height x width), resized {p.resize}; divided by 255, "
        f"minus {list(p.mean)}, divided by {list(p.std)}. All of it is in `preprocessing.json`."
    )
    t = manifest.temperature
    yield (
        "Probabilities: the softmax of the logits; no temperature could be fitted."
        if t is None
        else f"Probabilities: the softmax of logits / {t:.3f}, a temperature fitted on the validation part."
    )


def _files(trained: TrainedRun, manifest: Manifest) -> Iterator[str]:
    del trained
    yield from ("## Files", "")
    yield "Largest difference of a logit from the torch network's, as measured when the files were written:"
    yield ""
    yield from _table(
        ("format", "file", "on random inputs", "on test images, from the image file on"),
        [
            (name, f"`{one.name}`", _difference(one.random), _difference(one.real))
            for name, one in manifest.files.items()
        ],
    )


def _difference(check: Check | None) -> str:
    return "not checked: the images are gone" if check is None else f"{check.logit:.1e} (n = {check.inputs})"


def _data(trained: TrainedRun, manifest: Manifest) -> Iterator[str]:
    result, data = trained.result, trained.config.data
    tested = result.metrics.per_class
    yield from ("## Data", "")
    known = result.predictions
    if (known.group != known.image).any():
        told = "Images of one lesion or patient are on one side of the split."
    else:
        told = (
            "No lesions or patients were told: each image counts as one, and where several show the same, "
            "the numbers below are too good."
        )
    yield f"Table `{data.table.name}`. {told}"
    yield ""
    yield from _table(
        ("class", "training images", "test images", ""),
        [
            (
                _plain(name),
                str(result.train_counts.get(name, 0)),
                str(tested[name].n),
                "rare" if name in manifest.rare else "",
            )
            for name in manifest.classes
        ],
    )


def _numbers(trained: TrainedRun, manifest: Manifest) -> Iterator[str]:
    result = trained.result
    found = interval(result.predictions, result.rare, result.prior)
    recalls = tuple(f"recall:{name}" for name in manifest.classes)
    yield from ("## How well it does", "")
    yield "On the test part, which it has not learnt from. Intervals: a bootstrap over lesions or patients."
    yield ""
    rows = [(_plain(title(key)), *_cells(found[key])) for key in (*_FIRST, *recalls, *_LAST) if key in found]
    yield from _table(("", "%", "95 % interval"), rows)
    measured = calibration(result.predictions, result.validation)
    if measured.raw.ece is not None:
        yield ""
        scaled = measured.scaled.ece if measured.scaled is not None else None
        after = "" if scaled is None else f", {100 * scaled:.1f} % with the temperature"
        yield f"Expected calibration error: {100 * measured.raw.ece:.1f} %{after} (n = {measured.raw.n})."


def _cells(one: Interval) -> tuple[str, str]:
    if one.n_groups < MIN_GROUPS:
        return f"{100 * one.value:.1f}", few_groups(one.n_groups)
    return f"{100 * one.value:.1f}", f"{100 * one.low:.1f} to {100 * one.high:.1f}"


def _training(trained: TrainedRun, manifest: Manifest) -> Iterator[str]:
    config = trained.config
    schedule, model = config.schedule, config.model
    start = model.weights if model.weights in ("none", "pretrained") else "a local file"
    weights = {"none": "random weights", "pretrained": "timm's pretrained weights"}.get(start, start)
    yield from ("## How it was trained", "")
    yield (
        f"`{manifest.model}` from {weights}; frozen: {model.freeze}; epochs: {schedule.epochs}, batches of "
        f"{schedule.batch_size}, AdamW, learning rate {schedule.learning_rate:g}, augmentation "
        f"{schedule.augment}, seed {schedule.seed}; against imbalance: {config.remedy.method}."
    )
    yield ""
    yield ", ".join(f"{name} {version}" for name, version in manifest.versions.items()) + "."


def _limits(trained: TrainedRun, manifest: Manifest) -> Iterator[str]:
    yield from ("## Limitations", "")
    few = [name for name in manifest.classes if trained.result.metrics.per_class[name].n < 30]
    yield "- Other hospitals, devices, skin types and ages than in the data are not tested."
    yield "- It has no answer for a disease that is not among its classes, nor for a bad picture."
    yield "- Where it looks (`energy in the box`) is measured on boxes; it is no proof of what it uses."
    if few:
        names = ", ".join(map(_plain, few))
        yield f"- Fewer than 30 test images each: {names}. Their recall may be far from what it says."
    yield from ("", "## Licence", "")
    cfg = getattr(trained.network, "pretrained_cfg", None) or {}
    origin = f" (timm says of the pretrained ones: {cfg['license']})" if cfg.get("license") else ""
    yield (
        "*Yours to set.* Three licences meet in these weights: that of the images that they were trained on "
        "(many medical data sets forbid commercial use), that of the weights that training began with"
        f"{origin}, and that of the network's code. lesioncare is Apache-2.0 and adds no condition."
    )


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(header)} |"
    yield f"|{' --- |' * len(header)}"
    yield from (f"| {' | '.join(row)} |" for row in rows)


def _plain(name: str) -> str:
    """A class's name in a table cell: markup characters are text."""
    return "".join(f"\\{c}" if c in "\\|*_`<>[]#" else c for c in " ".join(name.split()))
