"""A trained run, applied to other images."""

import dataclasses
from pathlib import Path

import numpy as np
from torch import nn

from lesioncare.data import ImageDataset, ImageTable, eval_transform
from lesioncare.errors import LesionCareError, ModelError, RunError
from lesioncare.evaluation import BoxesOfRun, Predictions, RunResult
from lesioncare.evaluation.result import runs_inside
from lesioncare.training.config import DataConfig, TrainConfig
from lesioncare.training.directory import RunDirectory
from lesioncare.training.inference import image_loader, predict_table
from lesioncare.training.inputs import count_boxes, read_table, split_table
from lesioncare.training.models import BuiltModel, build_model, read_weights
from lesioncare.training.trainer import choose_device

__all__ = ["TrainedRun", "count_learnt", "evaluate_run", "load_run", "plain_images"]


@dataclasses.dataclass(frozen=True)
class TrainedRun:
    """A run's options, its result, and its network with the trained weights, in evaluation mode."""

    config: TrainConfig
    result: RunResult
    model: BuiltModel

    @property
    def network(self) -> nn.Module:
        """The plain network: images [N, 3, H, W], normalised, -> logits [N, C]."""
        return self.model.network


def load_run(directory: Path) -> TrainedRun:
    """Read a finished run.

    Raises:
        RunError: the directory holds no finished run, or its weights are damaged or do not fit.
        ModelError: its model cannot be built.
    """
    run = RunDirectory(directory)
    if not run.holds_run:
        raise RunError(f"{directory}: is not the directory of one run. {runs_inside(directory)}".rstrip())
    if not run.complete:
        raise RunError(
            f"{directory}: the run is not finished. Give the same train command again to finish it."
        )
    if not run.weights.exists():
        raise RunError(
            f"{directory}: its weights were not kept (--drop-weights). Train it again without that option."
        )
    config, result = run.load_config(), RunResult.load(directory)
    model = build_model(config.model, len(result.classes), load_weights=False)
    try:
        model.network.load_state_dict(read_weights(run.weights))
    except ModelError as error:
        raise RunError(f"{error} Train the run again.") from error
    except RuntimeError as error:
        raise RunError(f"{run.weights}: the weights do not fit the run's model. Train it again.") from error
    model.network.to(choose_device(config.schedule.accelerator)).eval()
    return TrainedRun(config, result, model)


def evaluate_run(trained: TrainedRun, data: DataConfig) -> RunResult:
    """Test a run on every image of another labelled table.

    Raises:
        DataError: the table or its images cannot be used, or it has a class that the run does not know.
    """
    table = read_table(data, classes=trained.result.classes)
    images = plain_images(trained, table)
    loader = image_loader(images, batch_size=trained.config.schedule.batch_size)
    layer = trained.config.model.shown_layer
    predictions, maps = predict_table(trained.network, images, loader, target_layer=layer)
    before = trained.result.boxes
    learnt = None if before is None else before.learnt
    boxes = BoxesOfRun(learnt=learnt, judged=count_boxes(data, table))
    config = {**trained.result.config, "evaluated_on": str(data.table), "boxes": boxes.model_dump()}
    return dataclasses.replace(trained.result, predictions=predictions, maps=maps, config=config)


def count_learnt(trained: TrainedRun, predictions: Predictions) -> int:
    """Count the images that the run has trained or validated on; 0 if its own table is gone."""
    data = trained.config.data.model_copy(update={"check_images": False})
    try:
        table = read_table(data)
        split = split_table(table, trained.config)
    except LesionCareError:
        return 0
    known = table.frame["path"].iloc[np.concatenate([split.train, split.validation])]
    learnt = {Path(path).resolve() for path in known}
    return sum(Path(path).resolve() in learnt for path in predictions.path)


def plain_images(trained: TrainedRun, table: ImageTable) -> ImageDataset:
    """All images of a table, prepared as the run's network wants them."""
    model = trained.model
    transform = eval_transform(model.image_size, model.mean, model.std)
    return ImageDataset(table, np.arange(len(table)), transform)
