"""Searches with Optuna, some trials at a time; resumes where an earlier start of the search stopped."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig, OmegaConf

from abreast.errors import ConfigError, RunError
from abreast.metrics.objective import monitor
from abreast.runs.files import SWEEP
from hydra_plugins.abreast_launcher.launcher import AbreastLauncher
from hydra_plugins.abreast_search.config import AbreastSearchConf

try:
    import optuna
    from hydra_plugins.hydra_optuna_sweeper._impl import create_params_from_overrides
    from optuna.study import StudyDirection
    from optuna.trial import TrialState

    from hydra_plugins.abreast_search._trials import OptunaTrials, Params
except ImportError:
    raise ConfigError(
        "hydra/sweeper=abreast_search needs Optuna and its Hydra plugin: pip install 'abreast[search]'"
    ) from None

log = logging.getLogger(__name__)

RESULTS = "optimization_results.yaml"


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
            f"hydra.sweeper.n_trials={settings.n_trials} and batch={settings.batch} must be 1 or more"
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
    trials = OptunaTrials(study, settings, space, common)
    if study.trials:
        log.info("%d of %d trials are finished already", trials.count, settings.n_trials)
    if not (isinstance(launcher, AbreastLauncher) and launcher.launch_asked(trials, settings.batch)):
        while batch := trials.ask(settings.batch, 0):
            overrides = [trial.overrides for trial in batch]
            returns = launcher.launch(overrides, initial_job_idx=batch[0].number)
            for trial, returned in zip(batch, returns, strict=True):
                trials.tell(trial.number, returned, 0)
    return _report(trials, folder)


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


def _report(trials: OptunaTrials, folder: Path) -> Params:
    study, directories = trials.study.stored, trials.directories
    if not study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        raise RunError("no trial of the search has finished; the messages above say why")
    best = study.best_trial
    results: dict[str, Any] = {
        "name": "optuna",
        "best_evaluated_params": best.params,
        "best_evaluated_value": best.value,
        "trials": trials.count,
    }
    if trials.number_of(best) in directories:
        results["best_run"] = directories[trials.number_of(best)]
    dropped = trials.rungs.dropped
    if dropped:
        results["dropped_after_epoch"] = dropped
        counts = ", ".join(f"{count} after epoch {epoch}" for epoch, count in dropped.items())
        log.info("Dropped by successive halving: %s", counts)
    OmegaConf.save(OmegaConf.create(results), folder / RESULTS)
    settings = " ".join(f"{key}={value}" for key, value in best.params.items())
    log.info("Best of %d trials: %.6g with %s", results["trials"], best.value, settings)
    return best.params
