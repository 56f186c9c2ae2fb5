"""Keeping freed memory: on the CPU, half the time of a forward pass can go into asking for memory again."""

import ctypes
import sys

__all__ = ["keep_freed_memory"]

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h
_GIGABYTE = 2**30


def keep_freed_memory() -> bool:
    """Let this process keep the memory of freed tensors for the next ones, instead of giving it back at once.

    glibc maps every large tensor anew and unmaps it when it is freed; each time the system clears its pages.
    Where that is slow (virtual machines above all) a forward pass on the CPU takes twice as long or more:
    EfficientNet-Lite0, 192 x 256 px, batches of 32: 37 ms an image before, 15 ms after, on two cores.
    The price is that the process stays as large as it once was, so only lesioncare's own processes do
    this: the command line's, and the workers of a comparison.

    Returns:
        Whether the allocator took the setting; False on systems without glibc.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):  # musl, for one, has no mallopt
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, _GIGABYTE)) and bool(mallopt(_M_TRIM_THRESHOLD, 2 * _GIGABYTE - 1))
