"""What a command says when it is stopped: whether the same command goes on."""

from contextvars import ContextVar

__all__ = ["BEGINS_ANEW", "GOES_ON", "when_stopped", "words_when_stopped"]

BEGINS_ANEW = "The same command begins anew."
GOES_ON = "The same command goes on from here."
_words = ContextVar("_words", default=BEGINS_ANEW)


def when_stopped(words: str) -> None:
    """Set what is said; a command that keeps its work calls this before anything else."""
    _words.set(words)


def words_when_stopped() -> str:
    """What is to be said."""
    return _words.get()
