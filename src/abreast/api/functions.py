"""The functions of `import abreast`: train, resume, sweep, decide, load."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike, fspath
from typing import Any

from abreast.api.decision import Decision
from abreast.api.objects import objects_of, take_objects
from abreast.api.overrides import to_overrides
from abreast.api.run import Run
from abreast.api.session import in_session, train_command
from abreast.api.sweep import Sweep
from abreast.cli import resume as resume_command
from abreast.cli.decide import multirun_arguments
from abreast.cli.train import latest_decision
from abreast.errors import ConfigError


def train(
    *overrides: str,
    dir: str | PathLike[str] | None = None,
    config_dir: str | PathLike[str] | None = None,
    **settings: Any,
) -> Run:
    """Train one run and test it, as `python train.py` does.

    `abreast.train("loss=mse", "optim=sgd")` is `abreast.train(loss="mse", optim="sgd")`. A dictionary sets
    keys below its own: `data={"batch_size": 32}` is `"data.batch_size=32"`, and so is
    `**{"data.batch_size": 32}`.

    A network and data can be given as objects: `abreast.train(model=MyNet, data=(X, y))`. The network is an
    `nn.Module` class, a function that makes a network, or a network: every run then starts from its weights.
    The data are a pair of arrays, a dictionary of such pairs (`train`, `val`, `test`), a torch data set or a
    LightningDataModule; they are read once, and kept in memory.

    Args:
        overrides: As on the command line.
        dir: The run's directory; None for a new one below `runs/`.
        config_dir: A folder with further options, as of `--config-dir`.
        settings: Values by key, such as `loss="mse"`.

    Returns:
        The run.

    Raises:
        AbreastError: With the line that the command would print; its subclasses are in `abreast.errors`.
        KeyboardInterrupt: The run was interrupted; `abreast.resume` continues it.
    """
    settings, objects = take_objects(settings, is_sweep=False)
    arguments = to_overrides(overrides, settings, is_sweep=False)
    return Run(
        train_command([*_flags(config_dir), *arguments, *_directory("hydra.run.dir", dir)], objects),
        objects=objects,
    )


def resume(
    run: str | PathLike[str] | Run,
    *overrides: str,
    model: Any = None,
    data: Any = None,
    trust: Sequence[str] = (),
    **settings: Any,
) -> Run:
    """Resume a run that was interrupted, or train a finished one for longer (`trainer={"max_epochs": 20}`).

    Args:
        run: The run, or its directory.
        overrides: As on the command line beside `resume=`.
        model: The network, if it was given in Python; a `Run` that was not loaded has it already.
        data: The data, likewise.
        trust: Further packages whose classes the configuration may build.
        settings: Values by key, such as `loss="mse"`.

    Returns:
        The run.

    Raises:
        AbreastError: As `train`.
    """
    loaded = run if isinstance(run, Run) else load(run)
    directory, objects = loaded.directory, loaded.objects | objects_of(loaded.config, model, data)
    arguments = to_overrides(overrides, settings, is_sweep=False)
    trusted = [f"trust=[{','.join(trust)}]"] if trust else []
    in_session(lambda: resume_command.main([f"resume={directory}", *arguments, *trusted]), objects)
    return Run(directory, trust=trust, objects=objects)


def sweep(
    *overrides: str,
    dir: str | PathLike[str] | None = None,
    config_dir: str | PathLike[str] | None = None,
    **settings: Any,
) -> Sweep:
    """Train a run for each combination of the values, side by side, as `python train.py -m` does.

    `abreast.sweep(loss=["mse", "hinge"], seed=range(5))` trains ten runs. The same call again resumes a sweep
    that was interrupted, and returns one that is finished.

    Args:
        overrides: As on the command line (`"loss=mse,hinge"`, `"+study=losses"`).
        dir: The sweep's directory; None for a directory below `runs/`, the same one for the same call.
        config_dir: As of `train`.
        settings: Values by key; a list, tuple, range or array is swept over.

    Returns:
        The sweep. Runs that failed are in it.

    Raises:
        AbreastError: As `train`, for mistakes that concern all runs.
        KeyboardInterrupt: The sweep was interrupted.
    """
    settings, objects = take_objects(settings, is_sweep=True)
    arguments = to_overrides(overrides, settings, is_sweep=True)
    directory = train_command(
        ["-m", *_flags(config_dir), *arguments, *_directory("hydra.sweep.dir", dir)], objects
    )
    return Sweep(directory, objects)


def decide(
    *overrides: str,
    margin: float,
    max_seeds: int = 100,
    first_seed: int = 0,
    metric: str | None = None,
    dir: str | PathLike[str] | None = None,
    config_dir: str | PathLike[str] | None = None,
    **settings: Any,
) -> Decision:
    """Train two settings on more and more seeds until the difference between them is known.

    `abreast.decide(loss=["cross_entropy", "mse"], margin=0.005)`: exactly one key has two values, and the
    verdict is of the second compared with the first. The same call again resumes.

    Args:
        overrides: As on the command line of `abreast decide`.
        margin: The smallest difference that matters, in the metric's unit.
        max_seeds: The most seeds of each of the two.
        first_seed: The first seed.
        metric: What is compared on the test set; None: accuracy, for regression r2.
        dir: As of `sweep`.
        config_dir: As of `train`.
        settings: As of `sweep`.

    Returns:
        The decision.

    Raises:
        AbreastError: As `train`.
    """
    limits = {"margin": margin, "max_seeds": max_seeds, "first_seed": first_seed, "metric": metric}
    settings, objects = take_objects(settings, is_sweep=True)
    arguments = to_overrides(overrides, {**settings, **limits}, is_sweep=True)
    command = [*_flags(config_dir), *multirun_arguments(arguments), *_directory("hydra.sweep.dir", dir)]
    directory = train_command(command, objects)
    decided = latest_decision()
    assert decided is not None
    assert decided.directory == directory
    return Decision(decided)


def load(
    run: str | PathLike[str],
    *,
    model: Any = None,
    data: Any = None,
    checkpoint: str | None = None,
    trust: Sequence[str] = (),
) -> Run:
    """A run from its directory.

    Args:
        run: The directory.
        model: The network, if it was given in Python: it is needed again to predict or to evaluate.
        data: The data, likewise, to evaluate.
        checkpoint: The weights: `best`, `last` or a path; None for those that the run was tested with.
        trust: Further packages whose classes the configuration may build.

    Returns:
        The run.

    Raises:
        RunError: There is no run, or it was made with another network or other data.
    """
    config = Run(run).config
    return Run(run, checkpoint=checkpoint, trust=trust, objects=objects_of(config, model, data))


def _flags(config_dir: str | PathLike[str] | None) -> list[str]:
    return [] if config_dir is None else ["--config-dir", fspath(config_dir)]


def _directory(key: str, folder: str | PathLike[str] | None) -> list[str]:
    if folder is None:
        return []
    if not fspath(folder):
        raise ConfigError("dir='': is empty; name a directory, or leave it out")
    return to_overrides([], {key: fspath(folder)}, is_sweep=False)
