"""One run: from a table of images to a trained network, its predictions on the test part, and its result."""

import dataclasses
import json
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from lesioncare.attention import AttentionGuide, find_target
from lesioncare.data import (
    EpochSampler,
    ImageDataset,
    ImageTable,
    Split,
    collate,
    eval_transform,
    train_transform,
)
from lesioncare.data.dataset import Batch
from lesioncare.errors import ConfigError, ModelError
from lesioncare.evaluation import Predictions, RunResult
from lesioncare.evaluation.files import write_file
from lesioncare.imbalance import rare_classes
from lesioncare.training.attention import make_guide
from lesioncare.training.config import TrainConfig
from lesioncare.training.cut import CutModel, cut_model
from lesioncare.training.decoupled import Head, SecondStage, choose_tau, find_head, normalise_head
from lesioncare.training.directory import RunDirectory, check_run, open_run, versions
from lesioncare.training.features import cache_features, fingerprint, remove_cache
from lesioncare.training.inference import image_loader, predict_logits, predict_table
from lesioncare.training.inputs import read_table, split_table
from lesioncare.training.models import BuiltModel, build_model
from lesioncare.training.module import Feed, GuidedClassifier
from lesioncare.training.remedy import Treatment, check_validation, make_treatment
from lesioncare.training.trainer import choose_device, is_first_process, make_trainer, quiet

__all__ = ["train"]


def train(
    config: TrainConfig, directory: Path, *, cache_dir: Path | None = None, overwrite: bool = False
) -> RunResult:
    """Train one network, test it, and leave everything in a directory.

    The same call again goes on after the last finished epoch, and ends with the same weights as a run that
    was never stopped. A complete run is only read.

    Args:
        config: all options.
        directory: made if it does not exist.
        cache_dir: where frozen features are kept for other runs too; by default they are in the run's
            directory and deleted when it ends.
        overwrite: delete a run that is already there.

    Raises:
        LesionCareError: something in the table, the images, the options or the directory cannot be used.
    """
    overwrite = overwrite and is_first_process()
    run = check_run(config, directory, overwrite=overwrite)
    if run.complete and not overwrite:
        return RunResult.load(directory)
    with torch.random.fork_rng(), quiet():
        torch.manual_seed(config.schedule.seed)
        start = time.perf_counter()
        table = read_table(config.data)
        split = split_table(table, config)
        reading = time.perf_counter() - start
        parts = _Parts.build(config, table, split)
        trainer, history = make_trainer(config.schedule, run)
        # All that a user can get wrong was seen by now: only then is there a directory.
        run = open_run(config, directory, overwrite=overwrite)
        clock = _Clock(run.path / "seconds.json")
        clock.add("read table and images", reading)
        loaders = _loaders(config, parts, cache_dir or run.path / "features", clock)
        with clock.part("train"):
            _fit(config, parts, loaders, run, trainer)
        if trainer.is_global_zero:
            found = _change_head(config, parts, loaders, clock)
            with clock.part("test"):
                result = _test(config, parts, pd.DataFrame(history.rows), found)
            run.save_weights(parts.model.network)
            dataclasses.replace(result, seconds=clock.seconds).save(directory)
            if cache_dir is None:
                remove_cache(run.path / "features")
        trainer.strategy.barrier("saved")  # the other processes of a distributed run wait for the result
    return RunResult.load(directory)


@dataclass(frozen=True)
class _Parts:
    """What a run works with."""

    table: ImageTable
    split: Split
    model: BuiltModel
    cut: CutModel | None
    guide: AttentionGuide | None
    treatment: Treatment
    head: Head | None
    rare: tuple[str, ...]

    @classmethod
    def build(cls, config: TrainConfig, table: ImageTable, split: Split) -> "_Parts":
        rare = rare_classes(table.class_counts(split.train), config.data.rare)
        model = build_model(config.model, len(table.classes))
        example = torch.randn(2, 3, *model.image_size)
        cut = None
        if config.model.freeze != "none":
            cut = cut_model(model.network, config.model.freeze, example)
        guide = make_guide(config, model.network if cut is None else cut.trained, model.image_size)
        if guide is not None:
            _check_target(config, guide, cut, example)
        labels = table.labels[split.train]  # of the training part alone: nothing else may be counted
        treatment = make_treatment(config, labels, len(table.classes), model.image_size)
        check_validation(config, len(split.validation))
        head = find_head(model.network, example) if treatment.remedy.changes_head else None
        parts = cls(table, split, model, cut, guide, treatment, head, rare)
        _check_boxes(config, parts)
        return parts

    @property
    def learner(self) -> nn.Module:
        """What is trained: the whole network, or its part behind the cut."""
        return self.model.network if self.cut is None else self.cut.trained

    @property
    def attended(self) -> dict[str, frozenset[int]]:
        """Class codes by the name of the choice."""
        codes = {name: code for code, name in enumerate(self.table.classes)}
        return {"rare": frozenset(codes[name] for name in self.rare), "all": frozenset(codes.values())}

    def images(self, positions: Any, config: TrainConfig, *, training: bool = False) -> ImageDataset:
        model, seed = self.model, config.schedule.seed
        if training:
            transform = train_transform(model.image_size, model.mean, model.std, config.schedule.augment)
        else:
            transform = eval_transform(model.image_size, model.mean, model.std)
        return ImageDataset(self.table, positions, transform, seed=seed)


@dataclass(frozen=True)
class _Loaders:
    train: DataLoader[Batch]
    validation: DataLoader[Batch] | None
    cached: bool


def _loaders(config: TrainConfig, parts: _Parts, cache: Path, clock: "_Clock") -> _Loaders:
    images = {
        "train": parts.images(parts.split.train, config, training=True),
        "validation": parts.images(parts.split.validation, config),
    }
    cached = config.model.cache == "always" or (config.model.cache == "auto" and parts.cut is not None)
    datasets: dict[str, Any] = dict(images)
    if cached:
        with clock.part("cache features"):
            for name, dataset in images.items():
                if not len(dataset):
                    continue
                views = config.model.views if name == "train" and config.schedule.augment != "none" else 1
                datasets[name] = _cached(config, parts, dataset, cache / name, views)
    train = _loader(datasets["train"], config, parts.treatment.sampler)
    in_order = EpochSampler(len(parts.split.validation), seed=0, shuffle=False)
    validation = _loader(datasets["validation"], config, in_order) if len(parts.split.validation) else None
    return _Loaders(train, validation, cached)


def _cached(config: TrainConfig, parts: _Parts, images: ImageDataset, directory: Path, views: int) -> Any:
    frozen = nn.Identity() if parts.cut is None else parts.cut.frozen
    settings = {
        "layer": None if parts.cut is None else parts.cut.layer,
        "model": config.model.name,
        "size": parts.model.image_size,
        "mean": parts.model.mean,
        "std": parts.model.std,
        "augment": config.schedule.augment if directory.name == "train" else None,
        "seed": config.schedule.seed,
    }
    place = directory / fingerprint(images, frozen, settings)
    device = choose_device(config.schedule.accelerator)
    size, workers = config.schedule.batch_size, config.schedule.workers
    features = cache_features(images, frozen.to(device), place, views=views, batch_size=size, workers=workers)
    frozen.cpu()
    return features


def _loader(dataset: Any, config: TrainConfig, sampler: EpochSampler) -> DataLoader[Batch]:
    schedule = config.schedule
    return DataLoader(
        dataset,
        batch_size=schedule.batch_size,
        sampler=sampler,
        collate_fn=collate,
        num_workers=schedule.workers,
        persistent_workers=schedule.workers > 0,
        drop_last=sampler.shuffle
        and len(dataset) % schedule.batch_size == 1,  # batch norm cannot learn from one image
    )


def _fit(
    config: TrainConfig, parts: _Parts, loaders: _Loaders, run: RunDirectory, trainer: pl.Trainer
) -> None:
    feed = Feed(loaders.train, loaders.validation)
    module = GuidedClassifier(
        parts.learner,
        feed=feed,
        frozen=None if parts.cut is None or loaders.cached else parts.cut.frozen,
        guide=parts.guide,
        attended=parts.attended[config.attention.attend],
        schedule=config.schedule,
        treatment=parts.treatment,
    )
    module.train()  # a function of one's own may give its network in evaluation mode
    # A checkpoint that was being copied when the run was killed is no whole archive: then begin anew.
    checkpoint = str(run.checkpoint) if zipfile.is_zipfile(run.checkpoint) else None
    try:
        trainer.fit(module, datamodule=feed, ckpt_path=checkpoint, weights_only=True)
    except SystemExit as stop:  # Lightning's answer to Ctrl-C
        raise KeyboardInterrupt from stop
    if config.schedule.select == "best":
        module.load_state_dict(torch.load(run.best, map_location="cpu", weights_only=True)["state_dict"])
    parts.learner.cpu()


def _change_head(config: TrainConfig, parts: _Parts, loaders: _Loaders, clock: "_Clock") -> dict[str, Any]:
    """Do what the remedy does after training, and say what it found."""
    remedy, head = parts.treatment.remedy, parts.head
    if head is None:
        return {}
    with clock.part("change the final layer"):
        if remedy.posthoc == "tau-norm":
            tau = config.remedy.norm_tau
            if tau is None:
                images = parts.images(parts.split.validation, config)
                loader = image_loader(images, batch_size=config.schedule.batch_size)
                logits = predict_logits(parts.model.network, loader)
                tau = choose_tau(head, logits, parts.table.labels[parts.split.validation])
            normalise_head(head, tau)
            return {"norm_tau": tau}
        stage = SecondStage(
            network=parts.learner if loaders.cached else parts.model.network,
            head=head,
            dataset=loaders.train.dataset,
            labels=parts.table.labels[parts.split.train],
            schedule=config.schedule,
            epochs=config.remedy.second_epochs,
            device=choose_device(config.schedule.accelerator),
        )
        (stage.retrain if remedy.second_stage == "crt" else stage.rescale)()
    return {}


def _check_target(config: TrainConfig, guide: AttentionGuide, cut: CutModel | None, example: Tensor) -> None:
    """Find the map's layer once before training: hours may lie between the beginning and the first map."""
    with torch.no_grad():
        inputs = example if cut is None else cut.frozen(example)
    try:
        find_target(guide.model, (inputs,), {}, config.model.target_layer)
    except ModelError as error:
        frozen = "" if cut is None else f" What learns begins behind {cut.layer!r}: freeze less of the model."
        raise ModelError(f"{error}{frozen}") from error


def _check_boxes(config: TrainConfig, parts: _Parts) -> None:
    """Attention without anything to attend to would be no attention under its name."""
    if parts.guide is None:
        return
    attended, labels = parts.attended[config.attention.attend], parts.table.labels
    if any(
        int(labels[position]) in attended for position in parts.split.train if position in parts.table.boxes
    ):
        return
    if not parts.table.boxes:
        raise ConfigError(
            f"{config.data.table}: no image has a box, so there is nothing to attend to. "
            "Give boxes with --boxes or --box-columns, or train with --attention none."
        )
    rare = ", ".join(parts.rare) or "none"
    raise ConfigError(
        f"{config.data.table}: no training image of the attended classes has a box (rare classes: {rare}). "
        "Give boxes for them, name the classes with --rare, attend to all with --attend all, "
        "or train with --attention none."
    )


def _found(guide: AttentionGuide | None) -> dict[str, Any]:
    if guide is None or not guide.found:
        return {}
    return {"target_layer": guide.target.name, "closed_form": guide.target.closed_form}


def _predict(config: TrainConfig, parts: _Parts, positions: Any, title: str) -> tuple[Predictions, Any]:
    images = parts.images(positions, config)
    loader = image_loader(images, batch_size=config.schedule.batch_size, workers=config.schedule.workers)
    layer = config.model.target_layer
    return predict_table(parts.model.network, images, loader, target_layer=layer, title=title)


def _test(config: TrainConfig, parts: _Parts, history: pd.DataFrame, found: dict[str, Any]) -> RunResult:
    predictions, maps = _predict(config, parts, parts.split.test, "Testing")
    validation = None
    if len(parts.split.validation):
        validation, _ = _predict(config, parts, parts.split.validation, "Validating")
    return RunResult(
        name=config.arm,
        config={**config.to_json(), "found": _found(parts.guide) | found},
        classes=parts.table.classes,
        rare=parts.rare,
        train_counts=parts.table.class_counts(parts.split.train),
        seconds={},
        versions=versions(),
        history=history,
        predictions=predictions,
        maps=maps,
        validation=validation,
    )


class _Clock:
    """Wall seconds of each part; those of sessions before a resume are added."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.seconds: dict[str, float] = json.loads(path.read_text()) if path.exists() else {}

    def add(self, name: str, seconds: float) -> None:
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds
        write_file(self._path, json.dumps(self.seconds).encode())

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.add(name, time.perf_counter() - start)
