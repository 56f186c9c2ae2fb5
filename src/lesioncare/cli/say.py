"""What any command may print; loading it loads no torch."""

from pathlib import Path

from rich.console import Console

__all__ = ["say", "show_line", "show_path"]


def say(text: str, *, style: str | None = None) -> None:
    """Print a sentence, wrapped to the terminal; in a file or pipe it stays one line."""
    console = Console()
    console.print(text, markup=False, highlight=False, style=style, soft_wrap=not console.is_terminal)


def show_line(text: str) -> None:
    """Print one line that can be copied whole, however long it is."""
    Console().print(text, soft_wrap=True, markup=False, highlight=False)


def show_path(what: str, path: Path) -> None:
    """Print where something is."""
    show_line(f"{what}: {path.resolve()}")
