"""Names of a package that are loaded when they are first used, so that importing it loads no torch."""

import importlib
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["load_later"]


def load_later(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """Make the `__getattr__` of a package (PEP 562).

    Args:
        package: its name.
        homes: the module of each name, relative to the package.
    """

    def load(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{package}.{homes[name]}"), name)

    return load
