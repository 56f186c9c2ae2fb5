"""What a comparison trains: arms x folds x seeds, from a YAML file or from flags."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from lesioncare.data import Columns
from lesioncare.errors import ConfigError
from lesioncare.experiment.arms import PARTS, check_keys, read_part, short_arm
from lesioncare.rawtable import read_header
from lesioncare.training.config import DataConfig, TrainConfig

__all__ = ["Cell", "ComparisonConfig", "read_plan"]

_SHORT = {"table": "table", "images": "image_root", "boxes": "box_file"}
"""Option of the file -> field of the data's options."""
_MOST = 1000
"""Folds or seeds: more would be a slip of the hand, and take years."""
_DIGITS = 9
_TOP = (*_SHORT, "arms", "folds", "seeds", *PARTS)
_ARM = ("attention", "remedy", "model", "boxes", "schedule")
_ARM_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+=,()-]*")
_OF_ITS_OWN = ("box_file", "min_score", "test_boxes", "check_images")
"""Options of the data in which arms may differ."""


@dataclass(frozen=True)
class Cell:
    """One training of a comparison.

    Attributes:
        arm: name of its arm.
        fold: the test fold; 0 where the table has a split of its own.
        seed: of everything random in the training.
        config: all options of the run.
        path: its directory, relative to the comparison's; arms that train the same share it.
    """

    arm: str
    fold: int
    seed: int
    config: TrainConfig
    path: Path

    def __str__(self) -> str:
        return f"{self.arm}, fold {self.fold}, seed {self.seed}"


class ComparisonConfig(BaseModel):
    """Arms x folds x seeds; every arm is trained on the same folds, from the same seeds.

    Attributes:
        arms: name -> options of its runs, but for fold and seed; the others are compared with the first.
        folds: test folds; (0,) where the table has a split of its own.
        seeds: of the trainings.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    arms: dict[str, TrainConfig]
    folds: tuple[int, ...]
    seeds: tuple[int, ...]

    @classmethod
    def build(cls, settings: Mapping[str, Any]) -> Self:
        """Make a plan from the settings of a YAML file, or from flags in the same form.

        Args:
            settings: `table`, `images`, `boxes`, `arms`, `folds`, `seeds`, and the parts of a run's options
                (`data`, `model`, `schedule`, `attention`, `remedy`) that all arms share; see docs/compare.md.

        Raises:
            ConfigError: an option is unknown or has a value that cannot work; the message names the arm.
            DataError: the table cannot be read.
        """
        check_keys(settings, _TOP, "comparison")
        shared = _shared(settings)
        folds = _folds(settings.get("folds"), shared["data"])
        seeds = _seeds(settings.get("seeds", 1))
        arms = {name: _arm(name, given, shared) for name, given in _arms(settings.get("arms")).items()}
        _check_table_split(next(iter(arms.values())), settings.get("folds"))
        plan = cls(arms=arms, folds=folds, seeds=seeds)
        return plan.model_copy(update={"folds": (0,)}) if plan.own_split else plan

    @property
    def own_split(self) -> bool:
        """Whether the table has a split of its own, so that there is one fold."""
        return _has_split(next(iter(self.arms.values())))

    @property
    def cells(self) -> tuple[Cell, ...]:
        """All cells; those of one seed and fold follow each other, so that what is done can be compared."""
        paths: dict[str, Path] = {}
        cells = []
        for seed in self.seeds:
            for fold in self.folds:
                for name, arm in self.arms.items():
                    config = _set_cell(arm, fold, seed)
                    own = Path("cells") / name / f"fold{fold}-seed{seed}"
                    path = paths.setdefault(_fingerprint(config), own)
                    cells.append(Cell(name, fold, seed, config, path))
        return tuple(cells)

    @property
    def trainings(self) -> tuple[Cell, ...]:
        """The cells that are trained: one for each directory."""
        first: dict[Path, Cell] = {}
        for cell in self.cells:
            first.setdefault(cell.path, cell)
        return tuple(first.values())

    def to_json(self) -> dict[str, Any]:
        """The plan as json values."""
        return self.model_dump(mode="json")

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Undo `to_json`.

        Raises:
            ConfigError: the values are no plan.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise ConfigError(f"no plan of a comparison: {error}") from error


def read_plan(path: Path) -> dict[str, Any]:
    """Read a plan's settings from YAML; its paths are relative to the file.

    Raises:
        ConfigError: the file cannot be read, is no YAML mapping, or has an unknown option.
    """
    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such file. Check --config.") from error
    except (OSError, ValueError, OverflowError, RecursionError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: cannot be read as YAML: {' '.join(str(error).split())}") from error
    if not isinstance(settings, dict):
        kind = type(settings).__name__  # not its content: names that stand for others may make that endless
        raise ConfigError(f"{path}: needs a mapping with `table` and `arms`, but holds a {kind}.")
    check_keys(settings, _TOP, str(path))
    return _anchored(settings, path.parent)


def _anchored(settings: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The settings with all paths made relative to the folder of their file."""

    def anchor(fields: Any, *names: str, but: tuple[str, ...] = ()) -> Any:
        if not isinstance(fields, dict):
            return fields
        found = {name: fields[name] for name in names if isinstance(fields.get(name), str)}
        return fields | {name: str(folder / value) for name, value in found.items() if value not in but}

    def anchor_parts(fields: dict[str, Any]) -> dict[str, Any]:
        fields = anchor(fields, *_SHORT)
        if "model" in fields:
            fields["model"] = anchor(fields["model"], "weights", but=("pretrained", "none"))
        if "data" in fields:
            fields["data"] = anchor(fields["data"], "table", "image_root", "box_file")
            fields["data"] = anchor(fields["data"], "test_boxes", but=("same", "table"))
        if isinstance(fields.get("boxes"), dict):
            fields["boxes"] = anchor(fields["boxes"], "file")
        return fields

    settings = anchor_parts(dict(settings))
    if isinstance(settings.get("arms"), dict):
        settings["arms"] = {
            name: anchor_parts(dict(arm)) if isinstance(arm, dict) else arm
            for name, arm in settings["arms"].items()
        }
    return settings


def _shared(settings: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The options that all arms share, by their part; without attention where none is named."""
    parts = {part: read_part(part, settings.get(part, {}), "comparison") for part in PARTS}
    for option, field in _SHORT.items():
        if settings.get(option) is not None and option != "boxes":
            parts["data"][field] = settings[option]
    if settings.get("boxes") is not None:
        parts["data"] |= _boxes(settings["boxes"], "comparison")
    if "table" not in parts["data"]:
        raise ConfigError("comparison: there is no table. Give one, as in `table: images.csv`.")
    for part, option, instead in (("data", "fold", "folds"), ("schedule", "seed", "seeds")):
        if option in parts[part]:
            raise ConfigError(f"comparison: {part}.{option} is set by `{instead}`. Remove it.")
    parts["attention"].setdefault("loss", "none")
    return parts


def _arms(given: object) -> dict[str, Mapping[str, Any]]:
    """Name -> what the arm changes, from a mapping, a list of short names, or a text with commas."""
    if isinstance(given, str):
        given = [name.strip() for name in given.split(",") if name.strip()]
        plan = next((name for name in given if name.lower().endswith((".yaml", ".yml"))), None)
        if plan is not None:
            raise ConfigError(f"arms: {plan} is a plan, not an arm: give it with --config {plan}.")
    if isinstance(given, list):
        names = [str(name) for name in given]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ConfigError(f"arms: {', '.join(twice)} is there twice. Remove one.")
        given = {name: short_arm(name) for name in names}
    if not isinstance(given, Mapping) or not given:
        raise ConfigError("comparison: there are no arms. Give some, as in --arms ce,care,energy-all.")
    # An arm of a mapping without options is its short name: `ce:` alone on a line.
    return {str(name): short_arm(str(name)) if arm is None else arm for name, arm in given.items()}


def _arm(name: str, given: object, shared: Mapping[str, Mapping[str, Any]]) -> TrainConfig:
    """An arm's options: the shared ones, and over them its own."""
    where = f"arm {name!r}"
    if not _ARM_NAME.fullmatch(name) or name.endswith((".", " ")):
        raise ConfigError(f"{where}: a name is a folder: letters, digits and . _ + = , ( ) - only.")
    if isinstance(given, str):
        given = short_arm(given)
    if not isinstance(given, Mapping):
        raise ConfigError(f"{where}: needs a mapping ({', '.join(_ARM)}), but got {given!r}.")
    check_keys(given, _ARM, where)
    parts = {part: dict(fields) for part, fields in shared.items()}
    for part, value in given.items():
        if part == "boxes":
            parts["data"] = {"test_boxes": _judging(parts["data"])} | parts["data"] | _boxes(value, where)
        else:
            parts[part] |= read_part(part, value, where)
    if "seed" in parts["schedule"]:
        raise ConfigError(f"{where}: all arms have the same seeds; give them with `seeds`.")
    try:
        return TrainConfig.build(**parts)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error


def _judging(data: Mapping[str, Any]) -> object:
    """All arms are judged by the same boxes: those of the comparison, where it has any."""
    if data.get("box_file") is not None:
        return data["box_file"]
    table = data["table"]
    if not isinstance(table, str | Path):
        raise ConfigError(f"table: needs the path of a file, not {table!r}.")
    named = data.get("box_columns") or Columns.guess(read_header(Path(table))).box
    return "same" if named is None else "table"


def _boxes(given: object, where: str) -> dict[str, Any]:
    if isinstance(given, str | Path):
        return {"box_file": given}
    if not isinstance(given, Mapping):
        raise ConfigError(f"{where}: boxes needs a file or {{file: ..., min_score: ...}}, not {given!r}.")
    check_keys(given, ("file", "min_score"), f"{where}: boxes")
    return {"box_file" if key == "file" else str(key): value for key, value in given.items()}


def _folds(given: object, data: dict[str, Any]) -> tuple[int, ...]:
    """The test folds; sets their number in the data's options.

    5 or "5": all of five; [0, 1] or "0,1": these, of `data.folds`; "0,1/10": these, of ten.
    """
    number: int = data.get("folds", DataConfig.model_fields["folds"].default)
    text = ",".join(map(str, given)) + "," if isinstance(given, list | tuple) else str(given)
    if given is None:
        text = str(number)
    which, _, of = text.partition("/")
    if of:
        number = _whole(of, "folds")
    elif "," not in which:
        number = _count(which, "folds")
        which = ",".join(map(str, range(number)))
    data["folds"] = number
    folds = _distinct(which, "folds")
    if max(folds) >= number:
        raise ConfigError(
            f"folds: fold {max(folds)} does not exist: the {number} folds are 0 to {number - 1}."
        )
    return folds


def _seeds(given: object) -> tuple[int, ...]:
    """The seeds: 3 or "3": three of them, from 0; [1, 5] or "1,5": these."""
    text = ",".join(map(str, given)) + "," if isinstance(given, list | tuple) else str(given)
    if "," in text:
        return _distinct(text, "seeds")
    return tuple(range(_count(text, "seeds")))


def _distinct(text: str, what: str) -> tuple[int, ...]:
    numbers = tuple(_whole(word, what) for word in text.split(",") if word.strip())
    if not numbers or len(set(numbers)) < len(numbers):
        raise ConfigError(f"{what}: needs numbers that differ, as in 0,1, but got {text!r}.")
    return numbers


def _count(word: str, what: str) -> int:
    number = _whole(word, what)
    if not 1 <= number <= _MOST:
        raise ConfigError(f"{what}: needs 1 to {_MOST} of them, but got {number}.")
    return number


def _whole(word: str, what: str) -> int:
    if not word.strip().isdecimal() or len(word.strip()) > _DIGITS:
        raise ConfigError(f"{what}: needs a number, or several as in 0,1, but got {word!r}.")
    return int(word)


def _has_split(config: TrainConfig) -> bool:
    guessed = Columns.guess(read_header(config.data.table))
    return (config.data.split_column or guessed.split) is not None


def _check_table_split(config: TrainConfig, folds: object) -> None:
    if folds is not None and _has_split(config):
        raise ConfigError(
            f"{config.data.table}: has a split column, so there are no folds to choose. "
            "Leave --folds out, or remove the column."
        )


def _set_cell(arm: TrainConfig, fold: int, seed: int) -> TrainConfig:
    data = arm.data.model_copy(update={"fold": fold})
    return arm.model_copy(update={"data": data, "schedule": arm.schedule.model_copy(update={"seed": seed})})


def _fingerprint(config: TrainConfig) -> str:
    """Equal for runs that train the same."""
    return hashlib.sha256(json.dumps(config.to_json(), sort_keys=True).encode()).hexdigest()
