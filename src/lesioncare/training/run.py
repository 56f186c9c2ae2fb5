"""One run: from a table of images to a trained network, its predictions on the test part, and its result."""

import dataclasses
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader

from lesioncare.attention import AttentionGuide
from lesioncare.data import EpochLoader, EpochSampler, ImageTable, Split, collate
from lesioncare.data.augmentation import BatchAugment
from lesioncare.data.dataset import Batch
from lesioncare.data.workers import reporting_dead_workers
from lesioncare.errors import ConfigError, ModelError
from lesioncare.evaluation import BoxesOfRun, Predictions, RunResult
from lesioncare.evaluation.files import read_seconds, write_file
from lesioncare.imbalance import rare_classes
from lesioncare.training.attention import find_layer, make_guide
from lesioncare.training.averaging import WeightAverage
from lesioncare.training.checkpoints import reading_checkpoint, restoring
from lesioncare.training.compilation import CompiledTrunk, compile_trunk, refusing_to_compile
from lesioncare.training.config import TrainConfig
from lesioncare.training.cut import CutModel
from lesioncare.training.decoupled import Head, SecondStage, choose_tau, find_head, normalise_head
from lesioncare.training.directory import RunDirectory, check_run, open_run, versions
from lesioncare.training.features import FeatureDataset, remove_cache
from lesioncare.training.inference import image_loader, predict_table
from lesioncare.training.inputs import boxes_of_run
from lesioncare.training.kept import Keeper, Network, build_network, run_images
from lesioncare.training.live import LiveImages, loader_workers
from lesioncare.training.memory import on_device, set_memory_format
from lesioncare.training.models import BuiltModel, check_model, checkpoint_blocks
from lesioncare.training.module import Feed, GuidedClassifier
from lesioncare.training.remedy import Treatment, check_validation, make_treatment
from lesioncare.training.shared import SharedInputs
from lesioncare.training.stops import resumable
from lesioncare.training.trainer import choose_device, is_first_process, make_trainer, quiet

__all__ = ["train"]


def train(
    config: TrainConfig,
    directory: Path,
    *,
    cache_dir: Path | None = None,
    overwrite: bool = False,
    shared: SharedInputs | None = None,
    tell_boxes: Callable[[BoxesOfRun], None] = lambda _: None,
) -> RunResult:
    """Train one network, test it, and leave everything in a directory.

    The same call again goes on after the last finished epoch, and ends with the same weights as a run that
    was never stopped. A complete run is only read.

    Args:
        config: all options.
        directory: made if it does not exist.
        cache_dir: where frozen features, or decoded images, are kept for other runs too; by default they are
            in the run's directory and deleted when it ends.
        overwrite: delete a run that is already there.
        shared: tables and splits of several runs, this one among them, so that they are read once; with one
            `cache_dir` their features are computed once, too.
        tell_boxes: told, before the training, which boxes it learns from and is judged by.

    Raises:
        LesionCareError: something in the table, the images, the options or the directory cannot be used.
    """
    overwrite = overwrite and is_first_process()
    run = check_run(config, directory, overwrite=overwrite)
    if run.complete and not overwrite:
        return RunResult.load(directory)
    check_model(config.model)
    with torch.random.fork_rng(), quiet():
        torch.manual_seed(config.schedule.seed)
        start = time.perf_counter()
        shared = shared or SharedInputs([config])
        reading = time.perf_counter() - start
        parts = _Parts.build(config, shared)
        tell_boxes(parts.boxes)
        average = None if config.schedule.ema is None else WeightAverage(config.schedule.ema)
        trainer, history = make_trainer(config.schedule, run, average)
        # All that a user can get wrong was seen by now: only then is there a directory.
        run = open_run(config, directory, overwrite=overwrite)
        clock = _Clock(run.path / "seconds.json")
        clock.add("read table and images", reading)
        rows, cache = shared.kept(config), cache_dir or run.path / "features"
        keeper = Keeper(config, parts.table, parts.judged, parts.network, rows, cache)
        loaders = _loaders(config, parts, keeper, clock)
        with clock.part("train"):
            _fit(config, parts, loaders, (run, trainer, average))
        if trainer.is_global_zero:
            # Outside the trainer: on its device all the same, but always in 32 bit.
            found = _change_head(config, parts, loaders, clock)
            with clock.part("test"):
                result = _test(config, parts, loaders, pd.DataFrame(history.rows), found)
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
    judged: ImageTable
    split: Split
    network: Network
    guide: AttentionGuide | None
    treatment: Treatment
    head: Head | None
    rare: tuple[str, ...]
    boxes: BoxesOfRun

    @classmethod
    def build(cls, config: TrainConfig, shared: SharedInputs) -> "_Parts":
        table, split = shared.table(config), shared.split(config)
        rare = rare_classes(table.class_counts(split.train), config.data.rare)
        network = build_network(config, len(table.classes))
        model, cut, example = network.model, network.cut, network.example
        if config.schedule.grad_checkpointing:
            _check_whole(config)
            checkpoint_blocks(model.network)
        guide = make_guide(config, model.network if cut is None else cut.trained, model.image_size)
        if guide is not None:
            guide = _checked_guide(config, guide, network)
        labels = table.labels[split.train]  # of the training part alone: nothing else may be counted
        treatment = make_treatment(config, labels, len(table.classes), model.image_size)
        check_validation(config, len(split.validation))
        head = find_head(model.network, example) if treatment.remedy.changes_head else None
        judged = shared.judged(config)
        boxes = boxes_of_run(config, table, judged)
        parts = cls(table, judged, split, network, guide, treatment, head, rare, boxes)
        _check_boxes(config, parts)
        return parts

    @property
    def model(self) -> BuiltModel:
        """The network, and the images that it wants."""
        return self.network.model

    @property
    def cut(self) -> CutModel | None:
        """The network's two parts, where one is frozen."""
        return self.network.cut

    @property
    def learner(self) -> nn.Module:
        """What is trained: the whole network, or its part behind the cut."""
        return self.model.network if self.cut is None else self.cut.trained

    @property
    def attended(self) -> dict[str, frozenset[int]]:
        """Class codes by the name of the choice."""
        codes = {name: code for code, name in enumerate(self.table.classes)}
        return {"rare": frozenset(codes[name] for name in self.rare), "all": frozenset(codes.values())}


@dataclass(frozen=True)
class _Loaders:
    """What a run reads.

    Attributes:
        train: its training batches.
        validation: its validation batches, if there are any.
        cached: whether they are of kept features.
        tested: the kept features to test with; None: test the whole network on the images.
        live: the images that are augmented anew in every epoch; None where views of them are kept.
    """

    train: EpochLoader
    validation: DataLoader[Batch] | None
    cached: bool
    tested: FeatureDataset | None
    live: LiveImages | None

    @property
    def augment(self) -> BatchAugment | None:
        """What augments the training batches, where that is left to be done."""
        return None if self.live is None else self.live.augment


def _loaders(config: TrainConfig, parts: _Parts, keeper: Keeper, clock: "_Clock") -> _Loaders:
    split = parts.split
    train: Any
    validation: Any
    tested = live = None
    if keeper.wanted:
        with clock.part("cache features"):
            train = keeper.views().only(split.train)
            plain = keeper.plain() if len(split.validation) or parts.cut is not None else None
            validation = [] if plain is None else plain.only(split.validation)
            tested = plain if keeper.can_test() else None
    else:
        with clock.part("cache images"):
            live = LiveImages(config, parts.table, parts.model, keeper.rows, keeper.directory)
            train, validation = live.train(split.train), live.plain(split.validation)
    return _Loaders(
        _training_loader(train, config, parts.treatment.sampler),
        _validation_loader(validation, config) if len(split.validation) else None,
        keeper.wanted,
        tested,
        live,
    )


def _training_loader(dataset: Any, config: TrainConfig, sampler: EpochSampler) -> EpochLoader:
    schedule = config.schedule
    return EpochLoader(
        dataset,
        sampler,
        batch_size=schedule.batch_size,
        epochs=schedule.epochs,
        drop_last=len(dataset) % schedule.batch_size == 1,  # batch norm cannot learn from one image
        **_processes(dataset, config, training=True),
    )


def _validation_loader(dataset: Any, config: TrainConfig) -> DataLoader[Batch]:
    return DataLoader(
        dataset,
        batch_size=config.schedule.batch_size,
        sampler=EpochSampler(len(dataset), seed=0, shuffle=False),
        collate_fn=collate,
        **_processes(dataset, config, training=False),
    )


def _processes(dataset: Any, config: TrainConfig, *, training: bool) -> dict[str, Any]:
    """Who loads a data set."""
    workers = loader_workers(config.schedule, dataset, training=training)
    return {
        "num_workers": workers,
        "persistent_workers": workers > 0,
        "pin_memory": choose_device(config.schedule.accelerator).type == "cuda",  # copied meanwhile
    }


def _fit(
    config: TrainConfig,
    parts: _Parts,
    loaders: _Loaders,
    where: tuple[RunDirectory, pl.Trainer, WeightAverage | None],
) -> None:
    run, trainer, average = where
    feed = Feed(loaders.train, loaders.validation, loaders.augment)
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
    with resumable(run.path), refusing_to_compile(), restoring(run.checkpoint, trainer) as checkpoint:
        trainer.fit(module, datamodule=feed, ckpt_path=checkpoint, weights_only=True)
    if config.schedule.select == "best":
        with reading_checkpoint(run.best):
            best = torch.load(run.best, map_location="cpu", weights_only=True)
            module.load_state_dict(best["state_dict"])
            if average is not None:
                average.give_to(module.network, best)
    elif average is not None:
        average.give_to(module.network)
    if config.schedule.grad_checkpointing:
        checkpoint_blocks(parts.model.network, enable=False)
    module.cpu().float()  # the frozen part too; 32 bit also after a precision like bf16-true
    set_memory_format(parts.model.network.cpu().float(), torch.contiguous_format)


def _change_head(config: TrainConfig, parts: _Parts, loaders: _Loaders, clock: "_Clock") -> dict[str, Any]:
    """Do what the remedy does after training, and say what it found."""
    remedy, head = parts.treatment.remedy, parts.head
    if head is None:
        return {}
    with clock.part("change the final layer"), reporting_dead_workers():
        if remedy.posthoc == "tau-norm":
            tau = config.remedy.norm_tau
            if tau is None:
                seen, _ = _predict(config, parts, loaders, parts.split.validation, "Validating")
                tau = choose_tau(head, seen.logits, seen.target)
            normalise_head(head, tau)
            return {"norm_tau": tau}
        stage = SecondStage(
            network=parts.learner if loaders.cached else parts.model.network,
            head=head,
            dataset=loaders.train.dataset,
            augment=loaders.augment,
            labels=parts.table.labels[parts.split.train],
            schedule=config.schedule,
            epochs=config.remedy.second_epochs,
            device=choose_device(config.schedule.accelerator),
        )
        (stage.retrain if remedy.second_stage == "crt" else stage.rescale)()
    return {}


def _check_whole(config: TrainConfig) -> None:
    if config.model.freeze != "none":
        raise ConfigError(
            "--grad-checkpointing saves memory where the whole network learns; "
            f"train without it, or without --freeze {config.model.freeze}."
        )


def _checked_guide(config: TrainConfig, guide: AttentionGuide, network: Network) -> AttentionGuide:
    """Find the map's layer once before training: hours may lie between the beginning and the first map.

    Returns:
        The guide; where the network is to be compiled, that of the compiled one.
    """
    cut, example = network.cut, network.example
    with torch.no_grad():
        inputs = example if cut is None else cut.frozen(example)
    try:
        find_layer(guide, inputs)
    except ModelError as error:
        frozen = "" if cut is None else f" What learns begins behind {cut.layer!r}: freeze less of the model."
        raise ModelError(f"{error}{frozen}") from error
    if not config.schedule.compile:
        return guide
    if len(guide.targets) > 1:
        raise ConfigError(
            "--compile cuts the network behind one --target-layer; give one, or train without --compile."
        )
    return compile_trunk(
        guide.model, guide.target.name, inputs, lambda *where: _guide_at(config, network.model, *where)
    )


def _guide_at(config: TrainConfig, model: BuiltModel, network: nn.Module, layer: str) -> AttentionGuide:
    there = config.model_copy(update={"model": config.model.model_copy(update={"target_layer": layer})})
    guide = make_guide(there, network, model.image_size)
    assert guide is not None  # noqa: S101  the options ask for attention
    return guide


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
    names = ", ".join(target.name for target in guide.targets)
    return {
        "target_layer": guide.model.layer if isinstance(guide.model, CompiledTrunk) else names,
        "closed_form": all(target.closed_form for target in guide.targets),
    }


def _predict(
    config: TrainConfig, parts: _Parts, loaders: _Loaders, positions: Any, title: str
) -> tuple[Predictions, Any]:
    """Predict images: from kept features where what learnt alone has the same map, else with all of it."""
    pixels = None if loaders.live is None else loaders.live.plain_pixels
    images = run_images(config, parts.judged, parts.model, positions, pixels=pixels)
    kept = None if loaders.tested is None else loaders.tested.only(positions)
    network = parts.model.network if kept is None else parts.learner
    read = images if kept is None else kept
    workers = loader_workers(config.schedule, read, training=True)  # the network waits for nothing else
    loader = image_loader(read, batch_size=config.schedule.batch_size, workers=workers)
    with on_device(network, choose_device(config.schedule.accelerator)):
        return predict_table(
            network,
            images,
            loader,
            target_layer=config.model.shown_layer,
            image_size=parts.model.image_size,
            title=title,
        )


def _test(
    config: TrainConfig, parts: _Parts, loaders: _Loaders, history: pd.DataFrame, found: dict[str, Any]
) -> RunResult:
    predictions, maps = _predict(config, parts, loaders, parts.split.test, "Testing")
    validation = None
    if len(parts.split.validation):
        validation, _ = _predict(config, parts, loaders, parts.split.validation, "Validating")
    return RunResult(
        name=config.arm,
        config={
            **config.to_json(),
            "found": _found(parts.guide) | found,
            "boxes": parts.boxes.model_dump(),
        },
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
        self.seconds = read_seconds(path)

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
