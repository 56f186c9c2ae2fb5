"""What `lesioncare import` prints."""

import shlex
from collections.abc import Mapping

from lesioncare.cli.say import show_line
from lesioncare.data.imports import Imported, Layout

__all__ = ["show_imported", "show_layouts"]


def show_layouts(layouts: Mapping[str, Layout]) -> None:
    """Print each layout with the files that it expects, its source and its licence."""
    for name, layout in layouts.items():
        show_line(f"{name}: {layout.title}")
        show_line(f"    files: {layout.expects}")
        show_line(f"    source: {layout.source}; licence: {layout.licence}")


def show_imported(made: Imported) -> None:
    """Print what was found, where it is, and what to do next."""
    for line in [*made.lines(), f"Table: {made.table.resolve()}"]:
        show_line(line)
    options = ["--images", str(made.images)]
    if made.boxes is not None:
        show_line(f"Boxes: {made.boxes.resolve()}")
        options += ["--boxes", str(made.boxes)]
    show_line(f"Next: {shlex.join(['lesioncare', 'data', 'check', str(made.table), *options])}")
