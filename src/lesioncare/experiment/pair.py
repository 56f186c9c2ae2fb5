"""The smallest experiment: the same run without and with attention."""

from collections.abc import Callable
from pathlib import Path

from lesioncare.errors import ConfigError
from lesioncare.evaluation import BoxesOfRun, RunResult
from lesioncare.training import RunDirectory, SharedInputs, TrainConfig, train
from lesioncare.training.directory import check_run
from lesioncare.training.features import remove_cache
from lesioncare.training.inputs import boxes_of_run
from lesioncare.training.models import check_model

__all__ = ["train_pair"]


def train_pair(
    config: TrainConfig,
    directory: Path,
    *,
    cache_dir: Path | None = None,
    overwrite: bool = False,
    announce: Callable[[str], None] = lambda _: None,
    tell_boxes: Callable[[BoxesOfRun], None] = lambda _: None,
) -> tuple[RunResult, RunResult]:
    """Train a network without and with attention, on the same images, from the same seed.

    Args:
        config: the run with attention; the other one differs in nothing else.
        directory: gets `without/` and `with/`.
        cache_dir: where frozen features are kept; by default in the directory, and deleted at the end.
        overwrite: delete runs that are already there.
        announce: told what begins.
        tell_boxes: told once which boxes attention learns from and both are judged by.

    Returns:
        The run without attention, and the run with it.

    Raises:
        ConfigError: the configuration has no attention.
        LesionCareError: as for `train`.
    """
    if config.attention.loss == "none":
        raise ConfigError("A comparison needs attention: choose a loss other than 'none'.")
    features = cache_dir or directory / "features"
    arms = {"without": config.without_attention(), "with": config}
    for name, one in arms.items():  # before the first trains for hours
        check_run(one, directory / name, overwrite=overwrite)
    done = not overwrite and all(RunDirectory(directory / name).complete for name in arms)
    if not done:
        check_model(config.model)
    inputs = None if done else SharedInputs(list(arms.values()))
    if inputs is not None:
        tell_boxes(boxes_of_run(config, inputs.table(config), inputs.judged(config)))
    results = []
    for name, one in arms.items():
        announce(one.arm)
        run = directory / name
        results.append(train(one, run, cache_dir=features, overwrite=overwrite, shared=inputs))
    if cache_dir is None:
        remove_cache(features)
    return results[0], results[1]
