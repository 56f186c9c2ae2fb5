"""The arms of a comparison: from a short name, or from a mapping, to a run's options."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel

from lesioncare.errors import ConfigError
from lesioncare.training.config import (
    AttentionConfig,
    AttentionName,
    DataConfig,
    ModelConfig,
    RemedyConfig,
    RemedyName,
    ScheduleConfig,
)
from lesioncare.words import did_you_mean

__all__ = ["PARTS", "check_keys", "read_part", "short_arm", "short_attention"]

PARTS: dict[str, type[BaseModel]] = {
    "data": DataConfig,
    "model": ModelConfig,
    "schedule": ScheduleConfig,
    "attention": AttentionConfig,
    "remedy": RemedyConfig,
}
"""The parts of a run's options."""
_BARE = {"model": "name", "attention": "loss", "remedy": "method"}
"""Part -> the option that a bare name stands for."""
_PLAIN = ("ce", "cross-entropy", "none")
_SUFFIXES = ("all", "rare")
_ATTENTION: tuple[str, ...] = get_args(AttentionName)
_REMEDIES: tuple[str, ...] = get_args(RemedyName)
_POST_HOC = ("post-hoc", "posthoc", "post-hoc-logit-adjustment", "logit-adjustment")


def short_arm(name: str) -> dict[str, Any]:
    """Read an arm's short name, `[remedy][+attention[-all|-rare]]`, or `ce` for plain cross-entropy.

    Example:
        >>> short_arm("energy-all")
        {'attention': {'loss': 'energy', 'attend': 'all'}}

    Raises:
        ConfigError: a word of the name is unknown, or there are two of one kind.
    """
    found: dict[str, Any] = {}
    for word in (word.strip() for word in name.split("+")):
        part, value = _word(word, name)
        if part in found:
            raise ConfigError(f"arm {name!r}: names two of one kind. An arm is [remedy][+attention].")
        if part:
            found[part] = value
    return found


def short_attention(word: str, where: str) -> dict[str, str]:
    """Read the name of an attention loss, with or without the classes that it attends to.

    Raises:
        ConfigError: there is no such loss; the message begins with `where`.
    """
    loss, _, suffix = word.rpartition("-")
    if word in _ATTENTION:
        return {"loss": word}
    if loss in _ATTENTION and loss != "none" and suffix in _SUFFIXES:
        return {"loss": loss, "attend": suffix}
    raise ConfigError(f"{where}: there is no attention loss {word!r}. {_close(word, _ATTENTION)}")


def read_part(part: str, given: object, where: str) -> dict[str, Any]:
    """Read one part of the options: a mapping, or a bare name where the part has one.

    Raises:
        ConfigError: an option is unknown; the message begins with `where` and gives the close names.
    """
    if isinstance(given, str) and part == "attention":
        return dict(short_attention(given, where))
    if isinstance(given, str) and part in _BARE:
        return {_BARE[part]: given}
    if not isinstance(given, Mapping):
        name = " or a name" if part in _BARE else ""
        raise ConfigError(f"{where}: {part} needs a mapping of options{name}, but got {given!r}.")
    check_keys(given, PARTS[part].model_fields, f"{where}: {part}")
    fields = dict(given)
    if part == "attention" and isinstance(fields.get("loss"), str):
        fields = {**fields, **short_attention(fields["loss"], where)}
    return fields


def check_keys(given: Mapping[Any, Any], known: Iterable[str], where: str) -> None:
    """Refuse a key that is not known.

    Raises:
        ConfigError: the message begins with `where`, names the key and the close ones.
    """
    known = list(known)
    for key in given:
        if key not in known:
            hint = _close(str(key), known, _below(str(key), known))
            raise ConfigError(f"{where}: there is no option {key!r}. {hint}")


def _below(key: str, parts: Iterable[str]) -> str:
    """The options of the parts that are close to a key: it may stand a level too high."""
    inside = {option: part for part in parts if part in PARTS for option in PARTS[part].model_fields}
    close = get_close_matches(key, inside, n=1)
    return f"{close[0]!r} is an option of {inside[close[0]]!r}: put it under that." if close else ""


def _word(word: str, name: str) -> tuple[str, Any]:
    """The part that a word of a short name is about, and its options; no part for plain training."""
    where = f"arm {name!r}"
    if word in _PLAIN:
        return "", None
    if word in _REMEDIES:
        return "remedy", {"method": word}
    if word in _POST_HOC:
        raise ConfigError(
            f"{where}: post-hoc logit adjustment needs no training of its own: every arm is told with and "
            "without it. Leave this arm out; the loss of that name is 'logit-adjusted'."
        )
    try:
        return "attention", short_attention(word, where)
    except ConfigError:
        known = ["ce", *_REMEDIES, *_ATTENTION, *(f"{loss}-all" for loss in _ATTENTION)]
        raise ConfigError(
            f"{where}: {word!r} is neither a remedy nor an attention loss. {_close(word, known)} "
            "An arm is [remedy][+attention[-all|-rare]], or ce for plain cross-entropy."
        ) from None


def _close(word: str, known: Iterable[str], otherwise: str = "") -> str:
    """The close names; where there are none, what is said otherwise, or all choices."""
    known = [name for name in known if not name.startswith("none")]
    return did_you_mean(word, known).rstrip() or otherwise or f"The choices are {', '.join(known)}."
