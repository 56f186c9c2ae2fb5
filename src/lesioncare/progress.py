"""How far long work is: a bar on a terminal, and a plain line now and then in a file or a pipe."""

import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from typing import TypeVar

from tqdm import tqdm

__all__ = ["INTERVAL", "LINES", "PlainLines", "counting", "track"]

INTERVAL = 10.0
"""Seconds between two lines, of all work together: steps may be as short as a blink, and as many as cells."""

T = TypeVar("T")


class PlainLines:
    """Writes lines to stdout, each at least `INTERVAL` seconds after the one before."""

    def __init__(self) -> None:
        self._last = -math.inf

    def tell(self, line: str) -> None:
        """Write a line, if it is time for one; the first always is."""
        now = time.monotonic()
        if now - self._last < INTERVAL:
            return
        self._last = now
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


LINES = PlainLines()
"""Those of this process."""


@contextmanager
def counting(title: str, total: int | None, unit: str) -> Iterator[Callable[[int], None]]:
    """Show how far work is.

    Args:
        title: what is done.
        total: how much there is; None if that is unknown.
        unit: of what, in the plural.

    Yields:
        To be called with how much more was done.
    """
    if sys.stdout.isatty():
        with tqdm(total=total, desc=title, unit=f" {unit}", leave=False, disable=None) as bar:

            def advance(more: int) -> None:
                bar.update(more)

            yield advance
    else:
        done = 0

        def tell(more: int) -> None:
            nonlocal done
            done += more
            LINES.tell(f"{title}: {done}{'' if total is None else f' of {total}'} {unit}")

        yield tell


def track(items: Iterable[T], title: str, unit: str, *, total: int | None = None) -> Iterator[T]:
    """Give the items, and show how far their user is; arguments as for `counting`."""
    if total is None and isinstance(items, Sized):
        total = len(items)
    with counting(title, total, unit) as advance:
        for item in items:
            yield item
            advance(1)
