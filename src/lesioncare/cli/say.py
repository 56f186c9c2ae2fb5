"""What any command may print; loading it loads no torch."""

from pathlib import Path

from rich.console import Console

__all__ = ["say", "show_path"]


def say(text: str) -> None:
    """Print a sentence, wrapped to the terminal."""
    Console().print(text, markup=False, highlight=False)


def show_path(what: str, path: Path) -> None:
    """Print where something is, on one line that can be copied."""
    Console().print(f"{what}: {path.resolve()}", soft_wrap=True, markup=False, highlight=False)
