"""How far long work is: a bar on a terminal, and a plain line now and then in a file or a pipe."""

import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from typing import TypeVar

from tqdm import tqdm

__all__ = ["INTERVAL", "LINES", "PlainLines", "Work", "counting", "track"]

INTERVAL = 10.0
"""Seconds between two lines, of all work together: steps may be as short as a blink, and as many as cells."""

T = TypeVar("T")


class PlainLines:
    """Writes lines to stdout, each at least `INTERVAL` seconds after the one before, but for an end."""

    def __init__(self) -> None:
        self._last = -math.inf

    def tell(self, line: str, *, at_once: bool = False) -> bool:
        """Write a line if it is time for one (the first always is), or at once; say whether it was."""
        now = time.monotonic()
        if now - self._last < INTERVAL and not at_once:
            return False
        self._last = now
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
        return True


class Work:
    """One piece of work among those that share lines: what is begun to be told is told to its end."""

    def __init__(self, lines: PlainLines) -> None:
        self._lines, self._begun = lines, False

    def tell(self, line: str, *, last: bool) -> None:
        """Write a line if it is time for one; the last at once, if one was written before."""
        self._begun |= self._lines.tell(line, at_once=last and self._begun)


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
        done, work = 0, Work(LINES)

        def tell(more: int) -> None:
            nonlocal done
            done += more
            line = f"{title}: {done}{'' if total is None else f' of {total}'} {unit}"
            work.tell(line, last=done == total)

        yield tell


def track(items: Iterable[T], title: str, unit: str, *, total: int | None = None) -> Iterator[T]:
    """Give the items, and show how far their user is; arguments as for `counting`."""
    if total is None and isinstance(items, Sized):
        total = len(items)
    with counting(title, total, unit) as advance:
        for item in items:
            yield item
            advance(1)
