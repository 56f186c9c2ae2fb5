"""A run's network in files for other programs, each verified, with what it takes to use them."""

import copy
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lesioncare.boxes.formats.atomic import writing_folder
from lesioncare.data import ImageDataset, list_images
from lesioncare.deploy.card import model_card
from lesioncare.deploy.formats import FORMATS, Exportable, write_format
from lesioncare.deploy.manifest import MANIFEST, ExportedFile, Manifest, Preprocessing, is_export
from lesioncare.deploy.verify import (
    Reference,
    choose_arithmetic,
    random_reference,
    real_reference,
    verify,
)
from lesioncare.errors import ConfigError, ModelError, RunError
from lesioncare.evaluation import RunResult
from lesioncare.evaluation.reliability import fit_temperature
from lesioncare.training.apply import TrainedRun, plain_images
from lesioncare.training.directory import versions

CARD = "README.md"
_FILES = frozenset({MANIFEST, CARD, "config.json", *(form.file for form in FORMATS.values())})

__all__ = ["CARD", "Export", "check_directory", "export_run", "run_temperature"]


@dataclass(frozen=True)
class Export:
    """What was exported.

    Attributes:
        directory: holds the files.
        manifest: what preprocessing.json says.
        left_out: format -> why the network cannot be had in it.
    """

    directory: Path
    manifest: Manifest
    left_out: dict[str, str]


def export_run(
    trained: TrainedRun,
    directory: Path,
    *,
    formats: Sequence[str] | None = None,
    check_images: int = 32,
    overwrite: bool = False,
) -> Export:
    """Export a run's network, with its preprocessing and a model card.

    Every file is opened again and compared with the torch network, on random inputs and on test images of
    the run, as far as they are still where they were. The directory appears whole or not at all.

    Args:
        trained: the run.
        directory: new, or empty.
        formats: keys of `FORMATS`, each of which must succeed; None: all that can be had.
        check_images: so many test images are compared, spread over the test part.
        overwrite: replace an export that is there.

    Raises:
        ModelError: the network cannot be exported in a format that was asked for, or in any.
        RunError: the directory cannot be used.
        ConfigError: a package is not installed.
    """
    check_directory(directory, overwrite=overwrite)
    images = known_images(trained, check_images)
    preprocessing = choose_arithmetic(images, _preprocessing(trained))
    network = copy.deepcopy(trained.network).cpu().eval()
    ready = Exportable(network, trained.result.classes, preprocessing)
    references = [random_reference(network, trained.model.image_size)]
    if len(images):
        references.append(real_reference(network, images, preprocessing))
    suffixes = {Path(name).suffix for name in _FILES}
    with writing_folder(directory, suffixes if overwrite else None) as folder:
        files, left_out = _write_all(ready, folder, formats, references)
        manifest = Manifest(
            model=trained.config.model.name,
            run=trained.result.name,
            classes=trained.result.classes,
            rare=trained.result.rare,
            preprocessing=preprocessing,
            temperature=run_temperature(trained.result),
            files=files,
            versions=versions(),
        )
        manifest.write(folder)
        (folder / CARD).write_text(model_card(trained, manifest), encoding="utf-8")
    return Export(directory, manifest, left_out)


def run_temperature(result: RunResult) -> float | None:
    """The temperature that fits the run's validation part; None if it kept no labelled one."""
    if result.validation is None or not len(result.validation.labelled):
        return None
    return fit_temperature(result.validation)


def check_directory(directory: Path, *, overwrite: bool) -> None:
    """Refuse a directory where something would be lost; nothing is written.

    Raises:
        RunError: there is a file, or a directory that is not empty; with `overwrite`, one that holds
            something else than an export.
    """
    if directory.is_file():
        raise RunError(f"{directory}: is a file. Give a directory with --output.")
    names = {entry.name for entry in directory.iterdir()} if directory.is_dir() else set()
    if names and not overwrite:
        remedy = ", or --overwrite to replace the export" if is_export(directory) else ""
        raise RunError(f"{directory}: is already there and not empty. Give another --output{remedy}.")
    if names and not (is_export(directory) and names <= _FILES):
        foreign = ", ".join(sorted(names - _FILES)[:5]) or f"no {MANIFEST}"
        raise RunError(
            f"{directory}: is no export alone ({foreign}), so it is not replaced. Give another --output."
        )


def known_images(trained: TrainedRun, most: int) -> ImageDataset:
    """Images of the run's test part, spread over it, whose files are still there; prepared as in training."""
    known = trained.result.predictions
    there = [row for row, path in enumerate(known.path) if Path(path).is_file()]
    rows = [there[int(i)] for i in np.linspace(0, len(there) - 1, min(most, len(there))).round()]
    source = Path(trained.config.data.table)
    table = list_images(known.image[rows].tolist(), known.path[rows].tolist(), source)
    return plain_images(trained, table)


def _preprocessing(trained: TrainedRun) -> Preprocessing:
    model = trained.model
    height, width = model.image_size
    mean, std = tuple(map(float, model.mean)), tuple(map(float, model.std))
    return Preprocessing.model_validate(
        {"height": height, "width": width, "mean": mean, "std": std, "arithmetic": "int16"}
    )


def _write_all(
    ready: Exportable, folder: Path, formats: Sequence[str] | None, references: Sequence[Reference]
) -> tuple[dict[str, ExportedFile], dict[str, str]]:
    files: dict[str, ExportedFile] = {}
    left_out: dict[str, str] = {}
    for name in formats or FORMATS:
        # A folder of its own: what fails must not leave anything behind, whatever files it has written.
        part = folder / f"{name}.part"
        part.mkdir()
        try:
            run = write_format(name, ready, part)
            checks = [verify(name, run, reference) for reference in references]
        except (ModelError, ConfigError) as error:
            if formats is not None:
                raise
            left_out[name] = str(error).removeprefix(f"{name}: ")
        else:
            files[name] = ExportedFile(
                name=FORMATS[name].file, random=checks[0], real=checks[1] if len(checks) > 1 else None
            )
            for path in part.iterdir():
                path.rename(folder / path.name)
        shutil.rmtree(part)
    if not files:
        raise ModelError(f"the network can be exported in no format: {_reasons(left_out)}")
    return files, left_out


def _reasons(left_out: dict[str, str]) -> str:
    return "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
