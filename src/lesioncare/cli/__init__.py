"""The command line: one file per command, each parse -> call -> print."""

from lesioncare.cli.app import main

__all__ = ["main"]
