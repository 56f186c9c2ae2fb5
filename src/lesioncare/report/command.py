"""The command line that repeats a run, from its settings."""

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["command_line"]

_OPTIONS = {
    "data.image_root": "images",
    "data.box_file": "boxes",
    "model.name": "model",
    "attention.loss": "attention",
    "remedy.method": "remedy",
}
"""Setting -> option, where the option is not the setting's own name."""
_SECTIONS = ("data", "model", "schedule", "attention")
_LATER = ("remedy",)
"""Kinds of settings that older runs do not have."""


def command_line(config: Mapping[str, Any]) -> str:
    """The `lesioncare train` command with every setting of a run, on one line per kind of setting.

    Args:
        config: settings of a run by kind, as `RunResult.config` has them.

    Returns:
        The command, to be pasted into a shell; empty if these are not the settings of a training run.
    """
    sections = [config.get(name) for name in _SECTIONS]
    if not all(isinstance(section, Mapping) for section in sections) or "table" not in config["data"]:
        return ""
    lines = [shlex.join(["lesioncare", "train", str(config["data"]["table"])])]
    for name in (*_SECTIONS, *(name for name in _LATER if isinstance(config.get(name), Mapping))):
        words = [
            word for option, value in config[name].items() for word in _option(f"{name}.{option}", value)
        ]
        lines.append(shlex.join(words))
    return " \\\n    ".join(line for line in lines if line)


def _option(setting: str, value: Any) -> Iterator[str]:
    if value is None or setting == "data.table":
        return
    name = _OPTIONS.get(setting, setting.partition(".")[2]).replace("_", "-")
    if isinstance(value, bool):
        yield f"--{name}" if value else f"--no-{name}"
        return
    yield f"--{name}"
    if isinstance(value, list | tuple):
        yield ("x" if setting == "model.image_size" else ",").join(str(part) for part in value)
    else:
        yield str(value)
