"""What stops a training from outside, told as one message: it goes on with the same command."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lesioncare.data.workers import reporting_dead_workers
from lesioncare.errors import RunError

__all__ = ["resumable"]


@contextmanager
def resumable(place: Path) -> Iterator[None]:
    """Wrap a training whose finished epochs are kept.

    Args:
        place: what the message names: the run's directory.

    Raises:
        RunError: a file could not be written, or a process that loads images died.
        KeyboardInterrupt: Ctrl-C, for which Lightning raises `SystemExit`; that of SIGTERM passes.
    """
    try:
        with reporting_dead_workers():
            yield
    except SystemExit as stop:
        if stop.code == 128 + signal.SIGTERM:
            raise
        raise KeyboardInterrupt from stop
    except OSError as error:
        raise RunError(
            f"{place}: the training stopped ({error}). Free some space if the disk is full; the same command "
            "goes on after the last finished epoch."
        ) from error
