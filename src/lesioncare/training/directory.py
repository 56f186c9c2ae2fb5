"""The run directory: new, resumed or complete, and never two runs in one."""

import importlib.metadata
import json
import platform
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import nn

from lesioncare.errors import ConfigError, RunError
from lesioncare.training.config import TrainConfig

__all__ = ["RunDirectory", "check_run", "open_run", "versions"]

_PARTS = {"data", "model", "schedule", "attention"}
_MADE_HERE = {
    *("config.json", "config.part", "seconds.json", "checkpoints", "features", "logs"),
    *("model.safetensors", "model.part", "result.json", "history.csv", "predictions.csv", "metrics.json"),
    *("maps.npz", "report.html", "validation.csv", "weights.removed", "audit"),
}
"""All that a run's directory may hold if it is to be deleted for another run."""
_WITHOUT_EFFECT = {("schedule", "workers")}
"""Options that may change between the sessions of a run: its results do not depend on them."""
_DAMAGED = "Give the directory of another run, or train again into a new one."
_LIBRARIES = ("lesioncare", "torch", "timm", "torchvision", "pytorch-lightning")


@dataclass(frozen=True)
class RunDirectory:
    """Where one run keeps what it makes."""

    path: Path

    @property
    def config(self) -> Path:
        """The options, as json."""
        return self.path / "config.json"

    @property
    def weights(self) -> Path:
        """The trained network's state dict, as safetensors."""
        return self.path / "model.safetensors"

    @property
    def weights_removed(self) -> Path:
        """An empty file that stands for weights which were not to be kept."""
        return self.path / "weights.removed"

    @property
    def checkpoint(self) -> Path:
        """The last epoch's checkpoint."""
        return self.path / "checkpoints" / "last.ckpt"

    @property
    def best(self) -> Path:
        """The checkpoint of the best epoch on the validation part, where one is kept."""
        return self.path / "checkpoints" / "best.ckpt"

    @property
    def report(self) -> Path:
        """The report, one HTML file."""
        return self.path / "report.html"

    @property
    def holds_run(self) -> bool:
        """Whether there is a run, finished or not."""
        return self.config.exists() and _read_json(self.config).keys() >= _PARTS

    @property
    def complete(self) -> bool:
        """Whether the run has ended and left its results (result.json is written last)."""
        has_ended = self.weights.exists() or self.weights_removed.exists()
        return (self.path / "result.json").exists() and has_ended

    def drop_weights(self) -> None:
        """Delete a finished run's weights and checkpoints; its results stay, and it stays complete."""
        self.weights_removed.touch()
        self.weights.unlink(missing_ok=True)
        shutil.rmtree(self.checkpoint.parent, ignore_errors=True)

    def save_weights(self, network: nn.Module) -> None:
        """Write the state dict; the file appears whole or not at all.

        Raises:
            RunError: it cannot be written.
        """
        state = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
        partial = self.weights.with_suffix(".part")
        try:
            save_file(state, partial)
            partial.replace(self.weights)
        except (OSError, SafetensorError) as error:
            partial.unlink(missing_ok=True)
            raise RunError(
                f"{self.weights}: cannot be written ({error}). Free some space; the same command goes on "
                "from here."
            ) from error

    def load_config(self) -> TrainConfig:
        """Read the options back.

        Raises:
            RunError: the directory has no readable config.json.
        """
        try:
            return TrainConfig.build(**_read_json(self.config))
        except ConfigError as error:
            raise RunError(f"{self.config}: is damaged ({error}). {_DAMAGED}") from error


def check_run(config: TrainConfig, path: Path, *, overwrite: bool = False) -> RunDirectory:
    """Make sure that a run can be in a directory; nothing is written or deleted.

    Raises:
        RunError: the directory holds something else, or a run with other options; with `overwrite`, it holds
            files that no run made.
    """
    run = RunDirectory(path)
    if path.exists() and not path.is_dir():
        raise RunError(f"{path}: is a file. Give a directory with --output.")
    names = {entry.name for entry in path.iterdir()} if path.exists() else set()
    # A run that was stopped in its first moment has left config.part alone.
    if names - {"config.part"} and not run.holds_run:
        pair = " itself, but the two of --baseline" if {"with", "without"} <= names else ""
        raise RunError(f"{path}: is not empty and holds no run{pair}. Give another directory with --output.")
    if run.holds_run and not overwrite:
        _check_same(config.to_json(), _read_json(run.config), path)
    foreign = sorted(name for name in names - _MADE_HERE if not name.endswith(".tmp"))
    if overwrite and foreign:
        raise RunError(
            f"{path}: cannot be overwritten, for it also holds what no run made: {', '.join(foreign[:5])}. "
            "Move that elsewhere, or give another directory with --output."
        )
    return run


def open_run(config: TrainConfig, path: Path, *, overwrite: bool = False) -> RunDirectory:
    """Make a run's directory, or go on in one that was made for the same options.

    Raises:
        RunError: see `check_run`; or the directory cannot be written.
    """
    run = check_run(config, path, overwrite=overwrite)
    if run.config.exists() and not overwrite:
        return run
    try:
        if run.config.exists():
            shutil.rmtree(path)
        path.mkdir(parents=True, exist_ok=True)
        partial = run.config.with_suffix(".part")
        partial.write_text(json.dumps(config.to_json(), indent=2, ensure_ascii=False), encoding="utf-8")
        partial.replace(run.config)
    except OSError as error:
        with suppress(OSError):
            run.config.with_suffix(".part").unlink()
        raise RunError(
            f"{path}: cannot be written ({error}). Give another directory with --output."
        ) from error
    return run


def versions() -> dict[str, str]:
    """The versions that a result depends on."""
    found = {name: importlib.metadata.version(name) for name in _LIBRARIES}
    return {"python": platform.python_version(), **found, "machine": platform.machine()}


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(
            f"{path}: cannot be read ({error}). Give the directory of a run made by lesioncare."
        ) from error
    is_run = isinstance(content, dict) and content.keys() >= _PARTS
    if not isinstance(content, dict) or (is_run and not all(isinstance(p, dict) for p in content.values())):
        raise RunError(f"{path}: is not the configuration of a run. {_DAMAGED}")
    return content


def _check_same(wanted: dict[str, Any], found: dict[str, Any], path: Path) -> None:
    found = {part: _defaults(part) | found.get(part, {}) for part in wanted}
    if wanted["attention"]["loss"] == found["attention"]["loss"] == "none":
        wanted = {**wanted, "attention": {}}  # of attention that there is not, nothing else matters
    different = [
        f"{part}.{option} is {found[part].get(option)!r} there but {value!r} now"
        for part, options in wanted.items()
        for option, value in options.items()
        if found[part].get(option) != value and (part, option) not in _WITHOUT_EFFECT
    ]
    if different:
        raise RunError(
            f"{path}: holds a run with other options: {'; '.join(different[:5])}. "
            "Give another --output. (`lesioncare train --overwrite` would delete that run.)"
        )


def _defaults(part: str) -> dict[str, Any]:
    """What the options were in a run that was made before they existed."""
    options: type[BaseModel] = TrainConfig.model_fields[part].annotation  # type: ignore[assignment]
    return {name: field.default for name, field in options.model_fields.items() if not field.is_required()}
