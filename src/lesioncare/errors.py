"""The exceptions of lesioncare, one tree, caught once at the command line's edge.

::

    LesionCareError
    ├── DataError       a table, an image, a box or a split cannot be used
    ├── ConfigError     an option has a value that cannot work
    ├── ModelError      a model cannot be built, loaded, cut or watched
    ├── ReviewError     a review of boxes cannot be opened, changed or exported
    └── RunError        a run directory cannot be created, resumed or read

A message says what is wrong, where (file, row, column, option), and what to do about it.
"""

__all__ = ["ConfigError", "DataError", "LesionCareError", "ModelError", "ReviewError", "RunError"]


class LesionCareError(Exception):
    """Anything that a user can mend; the command line prints it in one message and exits with 2."""

    def __init__(self, message: str = "") -> None:
        # A loader hands on a worker process's error with its traceback as the message, which ends in ours.
        own = f"{type(self).__module__}.{type(self).__qualname__}: "
        super().__init__(message.rpartition(own)[2].rstrip("\n"))


class DataError(LesionCareError):
    """A table, an image, a box or a split cannot be used as it is."""


class ConfigError(LesionCareError):
    """An option has a value that cannot work."""


class ModelError(LesionCareError):
    """A model cannot be built, loaded, cut or watched."""


class ReviewError(LesionCareError):
    """A review of boxes cannot be opened, changed or exported."""


class RunError(LesionCareError):
    """A run directory cannot be created, resumed or read."""
