"""How a comparison was made: enough to make it again."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from pydantic import BaseModel, ConfigDict

from lesioncare.data import ImageTable, Split
from lesioncare.training.directory import versions

__all__ = ["Protocol", "split_frame"]


class Protocol(BaseModel):
    """How a comparison was made; the folds are in splits.csv.

    Attributes:
        command: as it was given; empty where it was no command.
        commit: of the source that ran, with "-dirty" where it was changed since; None where it is installed
            from a package.
        versions: library -> version.
        runner: who trained the cells, with how many threads.
    """

    model_config = ConfigDict(frozen=True)

    command: str
    commit: str | None
    versions: dict[str, str]
    runner: str

    @classmethod
    def now(cls, command: str, runner: str) -> "Protocol":
        """Of what runs at this moment."""
        return cls(command=command, commit=_commit(), versions=versions(), runner=runner)


def split_frame(table: ImageTable, splits: Mapping[int, Split]) -> pd.DataFrame:
    """One row per image: image, group, label, and its side in each fold (train, validation, test or none)."""
    frame = table.frame[["image", "group"]].assign(label=[table.classes[code] for code in table.labels])
    for fold, split in splits.items():
        side = pd.Series("", index=frame.index)
        for name in ("train", "validation", "test"):
            side.iloc[getattr(split, name)] = name
        frame[f"fold{fold}"] = side
    return frame


def _commit() -> str | None:
    source = Path(__file__).parents[3]
    if not (source / ".git").exists():  # a package in a project of the user's, which may be a repository too
        return None
    words = ["git", "-C", str(source), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        said = subprocess.run(words, capture_output=True, text=True, timeout=20, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    return said.stdout.strip() or None
