"""What `lesioncare import` prints."""

import shlex
from collections.abc import Mapping

from rich.console import Console

from lesioncare.data.imports import Imported, Layout

__all__ = ["show_imported", "show_layouts"]


def show_layouts(layouts: Mapping[str, Layout]) -> None:
    """Print each layout with the files that it expects, its source and its licence."""
    for name, layout in layouts.items():
        _line(f"{name}: {layout.title}")
        _line(f"    files: {layout.expects}")
        _line(f"    source: {layout.source}; licence: {layout.licence}")


def show_imported(made: Imported) -> None:
    """Print what was found, where it is, and what to do next."""
    for line in [*made.lines(), f"Table: {made.table.resolve()}"]:
        _line(line)
    options = ["--images", str(made.images)]
    if made.boxes is not None:
        _line(f"Boxes: {made.boxes.resolve()}")
        options += ["--boxes", str(made.boxes)]
    _line(f"Next: {shlex.join(['lesioncare', 'data', 'check', str(made.table), *options])}")


def _line(text: str) -> None:
    Console().print(text, soft_wrap=True, markup=False, highlight=False)
