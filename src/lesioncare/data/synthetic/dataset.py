"""A synthetic data set on disk: images, masks, a table with boxes, and the configuration that made them."""

import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import pandas as pd
from PIL import Image

from lesioncare.data.synthetic.artefacts import MARKERS
from lesioncare.data.synthetic.lesions import KINDS, RARE_KINDS, draw_lesion
from lesioncare.data.synthetic.photograph import MARKER_OF, SyntheticImage, photograph
from lesioncare.errors import ConfigError, DataError

__all__ = ["Shortcut", "SyntheticConfig", "write_dataset"]

Shortcut = Literal["absent", "same", "swapped"]

_TRAIN_COUNTS = {
    "common-mole": 500,
    "network": 420,
    "keratosis-like": 350,
    "white-centre": 60,
    "red-lacunae": 50,
    "blue-veil": 40,
}
_SPLITS = ("train", "test")
_GENERATOR = 1  # raised when the same configuration would give other images


@dataclass(frozen=True)
class SyntheticConfig:
    """What `write_dataset` draws.

    Args:
        train_counts: images of each kind in the training part; a kind left out does not occur at all.
        n_test: images of each kind in the test part.
        size: side of the square images in pixels.
        seed: the same seed gives the same files. A larger count or another rate keeps the images that are
            already there.
        shortcut_rate: share of a rare kind's training images that show its marker.
        leak_rate: share of the other images that show a marker that is not theirs.
        test_shortcut: "absent", no marker in the test part; "same", as in training; "swapped", each rare
            kind's test images show the next rare kind's marker.
        repeats: probabilities that a lesion is photographed once, twice, three times.

    Raises:
        ConfigError: an option has a value that cannot work.
    """

    train_counts: Mapping[str, int] = field(default_factory=lambda: dict(_TRAIN_COUNTS))
    n_test: int = 80
    size: int = 96
    seed: int = 0
    shortcut_rate: float = 0.95
    leak_rate: float = 0.01
    test_shortcut: Shortcut = "absent"
    repeats: tuple[float, float, float] = (0.75, 0.17, 0.08)

    def __post_init__(self) -> None:
        object.__setattr__(self, "train_counts", dict(self.train_counts))
        unknown = sorted(set(self.train_counts) - set(KINDS))
        if unknown or not self.train_counts:
            raise ConfigError(
                f"train_counts must name kinds out of {', '.join(KINDS)}, but has {unknown or 'none'}."
            )
        for name, count in [*self.train_counts.items(), ("n_test", self.n_test), ("seed", self.seed)]:
            if count < 0:
                raise ConfigError(f"{name} must be 0 or more, but got {count}.")
        if self.size < 32:
            raise ConfigError(f"size must be 32 pixels or more, but got {self.size}.")
        for name, rate in (("shortcut_rate", self.shortcut_rate), ("leak_rate", self.leak_rate)):
            if not 0 <= rate <= 1:
                raise ConfigError(f"{name} must be in [0, 1], but got {rate}.")
        if self.test_shortcut not in get_args(Shortcut):
            raise ConfigError(
                f"test_shortcut must be absent, same or swapped, but got {self.test_shortcut!r}."
            )
        if len(self.repeats) != 3 or min(self.repeats) < 0 or not np.isclose(sum(self.repeats), 1):
            raise ConfigError(f"repeats must be three probabilities that sum to 1, but got {self.repeats}.")


@dataclass(frozen=True, slots=True)
class _Shot:
    """One image to make: its kind, lesion and view, each told by its place in the data set."""

    kind: str
    split: str
    lesion: int
    view: int

    @property
    def group(self) -> str:
        return f"{self.split}-{self.kind}-{self.lesion:04d}"

    @property
    def name(self) -> str:
        return f"{self.group}-{self.view}"

    def rng(self, seed: int, *stream: int) -> np.random.Generator:
        """Its own generator, so that no image depends on how many others are made."""
        return np.random.default_rng(
            [seed, _SPLITS.index(self.split), KINDS.index(self.kind), self.lesion, *stream]
        )


def write_dataset(directory: Path, config: SyntheticConfig | None = None) -> Path:
    """Write the data set into a new directory, complete or not at all, and return the path of its table.

    The directory holds images/*.jpg, masks/*.png (1 bit, named like the image), config.json, and table.csv
    with the columns image (a path within the directory), label, group (one lesion), split ("train", "test"),
    x1, y1, x2, y2 (pixels; the mask's tight box, right and bottom edges exclusive) and artefacts (separated
    by semicolons). A directory that holds the same configuration already is kept as it is.

    Raises:
        DataError: the directory exists and is neither empty nor this data set, or cannot be written.
    """
    config = config or SyntheticConfig()
    directory = Path(directory)
    if _is_complete(directory, config):
        return directory / "table.csv"
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=directory.parent, prefix=f".{directory.name}-") as temporary:
            made = Path(temporary) / "made"
            _write_all(made, config)
            if directory.exists():
                directory.rmdir()
            made.rename(directory)
    except OSError as error:
        raise DataError(f"{directory}: the synthetic data set cannot be written ({error}).") from error
    return directory / "table.csv"


def _is_complete(directory: Path, config: SyntheticConfig) -> bool:
    if not directory.exists() or (directory.is_dir() and not any(directory.iterdir())):
        return False
    file = directory / "config.json"
    if (directory / "table.csv").is_file() and file.is_file() and file.read_text("utf-8") == _as_json(config):
        return True
    raise DataError(
        f"{directory}: holds something else than this synthetic data set (see config.json there). "
        "Choose another directory, or remove this one."
    )


def _as_json(config: SyntheticConfig) -> str:
    return json.dumps({"generator": _GENERATOR} | asdict(config), indent=2) + "\n"


def _write_all(directory: Path, config: SyntheticConfig) -> None:
    for part in ("images", "masks"):
        (directory / part).mkdir(parents=True)
    rows = [_write_shot(directory, shot, config) for shot in _shots(config)]
    columns = ["image", "label", "group", "split", "x1", "y1", "x2", "y2", "artefacts"]
    pd.DataFrame(rows, columns=columns).to_csv(directory / "table.csv", index=False, lineterminator="\n")
    (directory / "config.json").write_text(_as_json(config), "utf-8")


def _shots(config: SyntheticConfig) -> Iterator[_Shot]:
    for split in _SPLITS:
        for kind, count in config.train_counts.items():
            yield from _shots_of(kind, split, count if split == "train" else config.n_test, config)


def _shots_of(kind: str, split: str, count: int, config: SyntheticConfig) -> Iterator[_Shot]:
    lesion = 0
    while count > 0:
        first = _Shot(kind, split, lesion, 0)
        views = 1 + int(first.rng(config.seed, 0).choice(len(config.repeats), p=config.repeats))
        yield from (_Shot(kind, split, lesion, view) for view in range(min(views, count)))
        count -= views
        lesion += 1


def _write_shot(directory: Path, shot: _Shot, config: SyntheticConfig) -> list[object]:
    picture = _take(shot, config)
    image = f"images/{shot.name}.jpg"
    Image.fromarray(picture.image).save(directory / image, quality=95, subsampling=0)
    Image.fromarray(picture.mask).save(directory / "masks" / f"{shot.name}.png")
    return [image, shot.kind, shot.group, shot.split, *picture.xyxy, ";".join(picture.artefacts)]


def _take(shot: _Shot, config: SyntheticConfig) -> SyntheticImage:
    lesion = draw_lesion(shot.rng(config.seed, 1), shot.kind)
    marker = _marker(shot, config)
    return photograph(lesion, shot.rng(config.seed, 2, shot.view), size=config.size, marker=marker)


def _marker(shot: _Shot, config: SyntheticConfig) -> str | None:
    """The marker to plant: a rare kind's own, with `leak_rate` another, mostly none."""
    if shot.split == "test" and config.test_shortcut == "absent":
        return None
    rng = shot.rng(config.seed, 3, shot.view)
    own = MARKER_OF.get(shot.kind)
    if own and shot.split == "test" and config.test_shortcut == "swapped":
        own = MARKER_OF[RARE_KINDS[(RARE_KINDS.index(shot.kind) + 1) % len(RARE_KINDS)]]
    if own and rng.random() < config.shortcut_rate:
        return own
    if rng.random() < config.leak_rate:
        return str(rng.choice([name for name in MARKERS if name != own]))
    return None
