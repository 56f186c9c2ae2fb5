"""Boxes for many images: in several processes, resumable, the same whatever the number of workers."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from lesioncare.boxes.box import Box
from lesioncare.boxes.boxset import BoxSet
from lesioncare.boxes.generation.maker import BoxMaker
from lesioncare.boxes.generation.methods import method_named
from lesioncare.boxes.generation.outcome import Outcome, PartialFile
from lesioncare.boxes.generation.workers import Chunk, run_in_processes
from lesioncare.errors import ConfigError, DataError
from lesioncare.words import several

CHUNK = 16
"""Most images that a worker is given at once."""
LISTED = 20
"""Most unreadable images that an error names."""

Progress = Callable[[int, int], None]
"""Called with the images done and the images in all."""
Runner = Callable[[BoxMaker, Sequence[Chunk], int], Iterator[list[Outcome]]]
"""Gives the outcomes of each chunk, in the order of the chunks, by so many workers."""

__all__ = ["Made", "Progress", "Runner", "make_boxes"]


@dataclass(frozen=True)
class Made:
    """The boxes that were made.

    Args:
        boxes: in the order of the images, with every readable image and its size; an image on which nothing
            stands out is there without a box.
        skipped: id and reason of each image that cannot be read.
    """

    boxes: BoxSet
    skipped: Mapping[str, str]


def make_boxes(
    images: Mapping[str, Path],
    method: str | BoxMaker,
    *,
    workers: int = 1,
    progress: Progress | None = None,
    resume: Path | None = None,
    skip_bad: bool = False,
    runner: Runner = run_in_processes,
) -> Made:
    """Make at most one box on each image.

    The result does not depend on `workers` or `runner`, nor on how often the run was killed in between.
    With more than one worker, a script needs `if __name__ == "__main__":` around what it does, as for
    every use of processes.

    Args:
        images: path of each image by its id.
        method: a name in `METHODS`, or a maker.
        workers: processes; 1 works in this process.
        progress: called after every few images.
        resume: file in which outcomes are kept as they come. A later call with the same file and method
            goes on from there. Remove it after the boxes have been saved.
        skip_bad: leave out images that cannot be read, instead of raising.
        runner: who does the work; `run_on_ray` for a cluster.

    Raises:
        ConfigError: there is no such method, or `workers` is below 1.
        DataError: images cannot be read and `skip_bad` is off; raised when all others are done, and kept in
            `resume`. The message lists them.
        RunError: `resume` belongs to another method or is damaged, or a worker died.
    """
    if workers < 1:
        raise ConfigError(f"workers must be at least 1, but got {workers}.")
    maker = method_named(method) if isinstance(method, str) else method
    with PartialFile(resume, repr(maker)) if resume else nullcontext() as partial:
        done = {name: one for name, one in partial.done.items() if name in images} if partial else {}
        chunks = _chunks([(name, path) for name, path in images.items() if name not in done], workers)
        for outcomes in runner(maker, chunks, workers):
            if partial:
                partial.append(outcomes)
            done.update((one.image, one) for one in outcomes)
            if progress:
                progress(len(done), len(images))
    return _collect([done[name] for name in images], maker.name, skip_bad)


def _chunks(todo: Chunk, workers: int) -> list[Chunk]:
    """Parts of at most `CHUNK` images, small enough that every worker gets some."""
    size = max(1, min(CHUNK, len(todo) // (4 * workers)))
    return [todo[start : start + size] for start in range(0, len(todo), size)]


def _collect(outcomes: list[Outcome], source: str, skip_bad: bool) -> Made:
    bad = {one.image: one.error for one in outcomes if one.error is not None}
    if bad and not skip_bad:
        listed = "\n".join(f"  {name}: {error}" for name, error in list(bad.items())[:LISTED])
        more = f"\n  and {len(bad) - LISTED} more" if len(bad) > LISTED else ""
        raise DataError(
            f"{len(bad)} of {several(len(outcomes), 'image')} cannot be read:\n{listed}{more}\n"
            "Mend or remove them, or skip them with --skip-bad (skip_bad=True)."
        )
    read = [one for one in outcomes if one.error is None]
    boxes = [
        Box(one.image, *one.found.corners, source=source, score=one.found.score) for one in read if one.found
    ]
    return Made(BoxSet(tuple(boxes), {one.image: one.size for one in read}), bad)
