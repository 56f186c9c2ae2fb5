"""One run: from folders of images and masks to the file of a segmenter."""

import dataclasses
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytorch_lightning as pl
import timm
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from torch import Tensor, nn
from torch.utils.data import DataLoader

from lesioncare.boxes.segmentation import SegmenterSpec, save_segmenter
from lesioncare.boxes.segmentation.file import build_network
from lesioncare.data import EpochSampler
from lesioncare.errors import ConfigError, DataError, ModelError, RunError
from lesioncare.evaluation.files import write_file
from lesioncare.training.checkpoints import WholeFiles, restoring
from lesioncare.training.epochs import epoch_progress
from lesioncare.training.models import read_weights
from lesioncare.training.module import Feed
from lesioncare.training.segmentation.config import SegmenterConfig
from lesioncare.training.segmentation.module import SegmenterModule
from lesioncare.training.segmentation.pairs import MaskedImages, Pair, find_pairs
from lesioncare.training.stops import resumable
from lesioncare.training.trainer import precision_of, quiet, refusing

Batches = DataLoader[tuple[Tensor, Tensor]]
CHECKPOINT = "last.ckpt"

__all__ = ["TrainedSegmenter", "train_segmenter"]


@dataclass(frozen=True)
class TrainedSegmenter:
    """What a run left.

    Args:
        path: the segmenter's file.
        train: images that it learnt from.
        validation: images that its score is measured on.
        validation_iou: mean IoU of their masks in [0, 1]; None without such images.
        train_empty: those of `train` without a lesion in their mask.
        validation_empty: those of `validation`; finding nothing on them is an IoU of 1.
    """

    path: Path
    train: int
    validation: int
    validation_iou: float | None
    train_empty: int = 0
    validation_empty: int = 0


def train_segmenter(config: SegmenterConfig, output: Path) -> TrainedSegmenter:
    """Train a segmenter and write its file.

    A run that was stopped goes on after its last finished epoch, from the folder `OUTPUT.training`, which is
    removed at the end. A run that is refused leaves no such folder.

    Args:
        config: all options.
        output: `.safetensors` file.

    Raises:
        LesionCareError: the images, masks, options or the output cannot be used.
    """
    if output.suffix != ".safetensors":
        raise ConfigError(f"{output}: the file of a segmenter ends in .safetensors.")
    if output.exists():
        raise RunError(f"{output}: already there. Remove it, or give another --output.")
    pairs = find_pairs(config.images, config.masks)
    train, validation = split_pairs(pairs, config.validation, config.seed)
    with torch.random.fork_rng(), quiet():
        torch.manual_seed(config.seed)
        spec = config.spec()
        network = build_network(spec)
        load_encoder(network, config)
        _check_size(network, spec)
        with _working(output, config) as work:
            images, others = _read(config, train, validation)
            batches, checks = _loaders(config, images, others)
            module = SegmenterModule(network, spec, config, len(batches))
            with refusing("--accelerator"):
                trainer = _trainer(config, work)
            _fit(trainer, module, batches, checks, work)
    iou = trainer.callback_metrics.get("validation_iou")
    card = {
        "note": config.note,
        "train_images": len(train),
        "validation_images": len(validation),
        "validation_mask_iou": None if iou is None else round(float(iou), 4),
        "config": {
            name: value for name, value in config.model_dump(mode="json").items() if name not in _LOCAL
        },
    }
    save_segmenter(output, dataclasses.replace(spec, card=card), network.state_dict(), half=config.half)
    shutil.rmtree(work)
    return TrainedSegmenter(
        output,
        len(train),
        len(validation),
        None if iou is None else float(iou),
        images.empty,
        0 if others is None else others.empty,
    )


_LOCAL = {"images", "masks", "weights", "workers", "accelerator", "mirrored", "note"}
"""Options that say where something was, or are told elsewhere."""


def split_pairs(pairs: list[Pair], share: float, seed: int) -> tuple[list[Pair], list[Pair]]:
    """Training and validation part, drawn by the seed; at least one image each where `share` is not 0."""
    order = torch.randperm(len(pairs), generator=torch.Generator().manual_seed(seed)).tolist()
    count = max(1, round(share * len(pairs))) if share > 0 else 0
    return [pairs[index] for index in sorted(order[count:])], [
        pairs[index] for index in sorted(order[:count])
    ]


def load_encoder(network: nn.Module, config: SegmenterConfig) -> None:
    """Load ImageNet weights into the encoder of a U-Net.

    Raises:
        ConfigError: the tiny network has no such weights, or the file is not there.
        ModelError: the weights cannot be had, or are of another model.
    """
    if config.weights == "none":
        return
    if config.model == "tiny":
        raise ConfigError(
            "--weights: the tiny network begins from random weights; name an encoder (--model)."
        )
    encoder: nn.Module = network.encoder.model  # type: ignore[assignment, union-attr]
    if config.weights == "pretrained":
        try:
            state = timm.create_model(config.model, pretrained=True).state_dict()
        except Exception as error:
            raise ModelError(
                f"The weights of {config.model!r} could not be downloaded ({error}). Give a local file."
            ) from error
    else:
        if not Path(config.weights).is_file():
            raise ConfigError(f"{config.weights}: no such weights file.")
        state = read_weights(Path(config.weights))
    wanted = encoder.state_dict()
    known = {name: tensor for name, tensor in state.items() if name in wanted}
    # A counter of batch norm that published files leave out; it does nothing here.
    lacking = sorted(
        name for name in wanted.keys() - known.keys() if not name.endswith("num_batches_tracked")
    )
    if lacking or any(known[name].shape != wanted[name].shape for name in known):
        raise ModelError(f"{config.weights}: the weights are not of {config.model!r} (no {lacking[:3]}).")
    encoder.load_state_dict(known, strict=False)


@torch.no_grad()
def _check_size(network: nn.Module, spec: SegmenterSpec) -> None:
    network.eval()
    try:
        network(torch.zeros(1, 3, *spec.size))
    except (RuntimeError, AssertionError, ValueError) as error:
        raise ModelError(
            f"the network cannot take images of {spec.size[0]}x{spec.size[1]} pixels: {error} "
            "Choose another --image-size."
        ) from error
    network.train()


@contextmanager
def _working(output: Path, config: SegmenterConfig) -> Iterator[Path]:
    """The folder of a run under way, of these options alone; it outlives an error only with a checkpoint."""
    work = output.with_name(f"{output.name}.training")
    options, text = work / "config.json", json.dumps(config.model_dump(mode="json"), indent=1, sort_keys=True)
    if options.exists() and options.read_text() != text:
        raise RunError(f"{work}: holds a run with other options. Finish it, or remove the folder.")
    made = [work, *(folder for folder in work.parents if not folder.exists())]
    try:
        try:
            work.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"{work}: cannot be made ({error}). Give another --output.") from error
        write_file(options, text.encode())
        yield work
    except BaseException:
        if not (work / CHECKPOINT).exists():
            with suppress(OSError):  # never made, or there is something in it that is not ours
                options.unlink(missing_ok=True)
                for folder in made:
                    folder.rmdir()
        raise


def _read(
    config: SegmenterConfig, train: list[Pair], validation: list[Pair]
) -> tuple[MaskedImages, MaskedImages | None]:
    """Images to learn from, and those that are only scored, if any."""
    images = MaskedImages(train, config.image_size, zoom=config.zoom, seed=config.seed)
    if images.empty == len(images):
        height, width = config.image_size
        raise DataError(
            f"{config.masks}: the masks of all {len(images)} training images are black: there is no lesion "
            "to learn. Lesions must be bright (255, or 1) on black; if they are but a dot at "
            f"{height}x{width} pixels, give a larger --image-size."
        )
    if not validation:
        return images, None
    return images, MaskedImages(validation, config.image_size, zoom=None, seed=config.seed)


def _loaders(
    config: SegmenterConfig, images: MaskedImages, others: MaskedImages | None
) -> tuple[Batches, Batches | None]:
    batches = DataLoader(
        images,
        batch_size=min(config.batch_size, len(images)),
        sampler=EpochSampler(len(images), seed=config.seed, shuffle=True),
        num_workers=config.workers,
        persistent_workers=config.workers > 0,
        drop_last=True,
    )
    return batches, None if others is None else DataLoader(others, batch_size=config.batch_size)


def _trainer(config: SegmenterConfig, work: Path) -> pl.Trainer:
    keep_last = ModelCheckpoint(
        dirpath=work,
        filename=Path(CHECKPOINT).stem,
        enable_version_counter=False,
        save_on_train_epoch_end=True,
    )
    progress = epoch_progress()
    return pl.Trainer(
        max_epochs=config.epochs,
        accelerator=config.accelerator,
        devices=1,
        precision=precision_of(config.precision, config.accelerator),
        logger=False,
        callbacks=[*progress.callbacks, keep_last],
        enable_progress_bar=progress.bar,
        plugins=[WholeFiles()],
        use_distributed_sampler=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )


def _fit(
    trainer: pl.Trainer, module: SegmenterModule, batches: Batches, checks: Batches | None, work: Path
) -> None:
    checkpoint = work / CHECKPOINT
    with resumable(work), restoring(checkpoint, trainer) as resume:
        trainer.fit(module, datamodule=Feed(batches, checks), ckpt_path=resume, weights_only=True)
    module.network.cpu()
