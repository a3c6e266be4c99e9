"""Searches with Optuna, a batch of trials at a time; resumes where an earlier start of the search stopped."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig, OmegaConf

from abreast.errors import ConfigError, RunError
from abreast.metrics.objective import monitor
from abreast.runs.directory import RunDirectory
from abreast.runs.files import SWEEP
from abreast.runs.job_directory import job_directory
from hydra_plugins.abreast_search.config import AbreastSearchConf

try:
    import optuna
    from hydra_plugins.hydra_optuna_sweeper._impl import create_params_from_overrides
    from optuna.study import StudyDirection
    from optuna.trial import FrozenTrial, TrialState
except ImportError:
    raise ConfigError(
        "hydra/sweeper=abreast_search needs Optuna and its Hydra plugin: pip install 'abreast[search]'"
    ) from None

log = logging.getLogger(__name__)

RESULTS = "optimization_results.yaml"
Params = dict[str, Any]


def search(
    settings: AbreastSearchConf, config: DictConfig, launcher: Launcher, arguments: Sequence[str]
) -> Params:
    """Train until there are `n_trials`, and write the best trial's settings into the sweep's directory.

    Args:
        settings: The sweeper's settings.
        config: The config of the sweep.
        launcher: Trains the trials.
        arguments: The command line's overrides.

    Returns:
        The settings of the best trial.

    Raises:
        ConfigError: The settings are invalid, or there is nothing to search.
        RunError: No trial has finished.
    """
    if min(settings.n_trials, settings.batch) < 1:
        raise ConfigError(
            f"hydra.settings.n_trials={settings.n_trials} and batch={settings.batch} must be 1 or more"
        )
    folder = Path(str(config.hydra.sweep.dir)).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    OmegaConf.save(config.copy(), folder / SWEEP)
    declared = [f"{key}={value}" for key, value in (settings.params or {}).items()]
    space, fixed, more = create_params_from_overrides([*declared, *arguments])
    space = {key: values for key, values in space.items() if key not in fixed}
    if not space:
        raise ConfigError("nothing to search: give a key several values, or an interval(low, high)")
    study = _study(settings, config, folder)
    common = [*(f"{key}={value}" for key, value in fixed.items()), *more]
    directories: dict[int, str] = {}  # by the trial's number
    if study.trials:
        log.info("%d of %d trials are finished already", _count(study), settings.n_trials)
    while True:
        # What a search that was stopped had begun comes first.
        batch = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)) or _ask(study, settings, space)
        if not batch:
            break
        _train(launcher, study, batch, common, directories)
    return _report(study, folder, directories)


def _study(settings: AbreastSearchConf, config: DictConfig, folder: Path) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(
        study_name=settings.name,
        storage=settings.storage or f"sqlite:///{folder / 'search.db'}",
        direction=_direction(config),
        load_if_exists=True,
    )


def _direction(config: DictConfig) -> StudyDirection:
    cfg: Any = OmegaConf.to_container(
        OmegaConf.masked_copy(config, ["monitor", "data"]), resolve=False, throw_on_missing=False
    )
    monitored = monitor(cfg)
    is_maximized = monitored is not None and monitored[1] == "max"
    return StudyDirection.MAXIMIZE if is_maximized else StudyDirection.MINIMIZE


def _count(study: optuna.Study) -> int:
    """The number of trials that were trained: those that repeat another one are marked, and not counted."""
    return sum("repeats" not in trial.user_attrs for trial in study.get_trials(deepcopy=False))


def _ask(study: optuna.Study, settings: AbreastSearchConf, space: Params) -> list[FrozenTrial]:
    """The next trials, with settings that were not tried before; fewer where the space holds no more."""
    from hydra.utils import instantiate

    trials = study.get_trials(deepcopy=False)
    tried = {_key(trial.params): trial for trial in trials}
    seed = int(np.random.SeedSequence([settings.seed, len(trials)]).generate_state(1)[0])
    study.sampler = instantiate(settings.sampler, seed=seed, _convert_="all")
    missing = min(settings.batch, settings.n_trials - _count(study))
    batch: list[FrozenTrial] = []
    for _ in range(missing * 20):
        if len(batch) >= missing:
            break
        trial = study.ask(space)
        frozen = study.get_trials(deepcopy=False)[trial.number]
        known = tried.setdefault(_key(trial.params), frozen)
        if known.number == trial.number:
            batch.append(frozen)
            continue
        trial.set_user_attr("repeats", known.number)
        _tell_again(study, trial, known)
    if len(batch) < missing:
        log.info("The search has nothing new to try after %d trials", _count(study))
    return batch


def _key(params: Params) -> str:
    return repr(sorted(params.items()))


def _tell_again(study: optuna.Study, trial: optuna.Trial, known: FrozenTrial) -> None:
    """Give a repeated suggestion the value that it had before, if that is known."""
    if known.state == TrialState.COMPLETE:
        study.tell(trial, known.value)
    else:
        study.tell(trial, state=TrialState.FAIL)


def _train(
    launcher: Launcher,
    study: optuna.Study,
    batch: Sequence[FrozenTrial],
    common: Sequence[str],
    directories: dict[int, str],
) -> None:
    overrides = [[*(f"{key}={value}" for key, value in trial.params.items()), *common] for trial in batch]
    returns = launcher.launch(overrides, initial_job_idx=batch[0].number)
    for trial, returned in zip(batch, returns, strict=True):
        value = _value(returned)
        run = _directory(returned)
        if run is not None:
            directories[trial.number] = str(run.path)
        if value is None:
            study.tell(trial.number, state=TrialState.FAIL)
        elif run is not None and _was_dropped(run):
            _tell_dropped(study, trial, value, run)
        else:
            study.tell(trial.number, value)


def _value(returned: JobReturn) -> float | None:
    if returned.status != JobStatus.COMPLETED:
        return None
    value = float(returned.return_value)
    return None if value != value else value


def _directory(returned: JobReturn) -> RunDirectory | None:
    directory = job_directory(returned)
    return None if directory is None else RunDirectory(directory)


def _was_dropped(run: RunDirectory) -> bool:
    try:
        return "dropped_at" in run.read_status()
    except RunError:
        return False


def _tell_dropped(study: optuna.Study, trial: FrozenTrial, value: float, run: RunDirectory) -> None:
    """Report a run that halving dropped as a pruned trial, with the value that it had then."""
    live = optuna.Trial(study, trial._trial_id)
    live.report(value, int(run.read_status()["dropped_at"]))
    study.tell(trial.number, state=TrialState.PRUNED)


def _report(study: optuna.Study, folder: Path, directories: dict[int, str]) -> Params:
    if not study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        raise RunError("no trial of the search has finished; the messages above say why")
    best = study.best_trial
    results = {
        "name": "optuna",
        "best_evaluated_params": best.params,
        "best_evaluated_value": best.value,
        "trials": _count(study),
    }
    if best.number in directories:
        results["best_run"] = directories[best.number]
    OmegaConf.save(OmegaConf.create(results), folder / RESULTS)
    settings = " ".join(f"{key}={value}" for key, value in best.params.items())
    log.info("Best of %d trials: %.6g with %s", results["trials"], best.value, settings)
    return best.params
