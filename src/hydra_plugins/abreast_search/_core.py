"""Asks Optuna, trains, tells; and goes on where an earlier start of the same search has stopped."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import OmegaConf

from abreast.errors import ConfigError, RunError
from abreast.metrics.objective import monitor
from abreast.runs.directory import RunDirectory
from abreast.runs.files import SWEEP

try:
    import optuna
    from hydra_plugins.hydra_optuna_sweeper._impl import create_params_from_overrides
    from optuna.study import StudyDirection
    from optuna.trial import FrozenTrial, TrialState
except ImportError:
    raise ConfigError(
        "hydra/sweeper=abreast_search needs Optuna and its Hydra plugin: pip install 'abreast[search]'"
    ) from None

if TYPE_CHECKING:
    from hydra_plugins.abreast_search.sweeper import SearchSweeper

log = logging.getLogger(__name__)

RESULTS = "optimization_results.yaml"
Params = dict[str, Any]


def search(sweeper: SearchSweeper, arguments: Sequence[str]) -> Params:
    """Train until there are `n_trials`; the best one's settings, also written into the sweep's directory."""
    if min(sweeper.n_trials, sweeper.batch) < 1:
        raise ConfigError(
            f"hydra.sweeper.n_trials={sweeper.n_trials} and batch={sweeper.batch} must be 1 or more"
        )
    assert sweeper.config is not None
    folder = Path(str(sweeper.config.hydra.sweep.dir)).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    OmegaConf.save(sweeper.config.copy(), folder / SWEEP)
    declared = [f"{key}={value}" for key, value in (sweeper.params or {}).items()]
    space, fixed, more = create_params_from_overrides([*declared, *arguments])
    space = {key: values for key, values in space.items() if key not in fixed}
    if not space:
        raise ConfigError("nothing to search: give a key several values, or an interval(low, high)")
    study = _study(sweeper, folder)
    common = [*(f"{key}={value}" for key, value in fixed.items()), *more]
    seen: dict[int, str] = {}
    if study.trials:
        log.info("%d of %d trials are there from before", _count(study), sweeper.n_trials)
    while True:
        batch = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))  # of a search that was stopped
        batch = batch or _ask(study, sweeper, space)
        if not batch:
            break
        _train(sweeper, study, batch, common, seen)
    return _report(study, folder, seen)


def _study(sweeper: SearchSweeper, folder: Path) -> optuna.Study:
    assert sweeper.config is not None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(
        study_name=sweeper.name,
        storage=sweeper.storage or f"sqlite:///{folder / 'search.db'}",
        direction=_direction(sweeper),
        load_if_exists=True,
    )


def _direction(sweeper: SearchSweeper) -> StudyDirection:
    assert sweeper.config is not None
    cfg: Any = OmegaConf.to_container(
        OmegaConf.masked_copy(sweeper.config, ["monitor", "data"]), resolve=False, throw_on_missing=False
    )
    monitored = monitor(cfg)
    return StudyDirection.MAXIMIZE if monitored and monitored[1] == "max" else StudyDirection.MINIMIZE


def _count(study: optuna.Study) -> int:
    """The trials that have been trained: one that only repeats another is marked."""
    return sum("repeats" not in trial.user_attrs for trial in study.get_trials(deepcopy=False))


def _ask(study: optuna.Study, sweeper: SearchSweeper, space: Params) -> list[FrozenTrial]:
    """The next trials, none of which has been tried before; fewer, where the space holds no more."""
    from hydra.utils import instantiate

    trials = study.get_trials(deepcopy=False)
    tried = {_key(trial.params): trial for trial in trials}
    seed = int(np.random.SeedSequence([sweeper.seed, len(trials)]).generate_state(1)[0])
    study.sampler = instantiate(sweeper.sampler, seed=seed, _convert_="all")
    wanted = min(sweeper.batch, sweeper.n_trials - _count(study))
    batch: list[FrozenTrial] = []
    for _ in range(wanted * 20):
        if len(batch) >= wanted:
            break
        trial = study.ask(space)
        frozen = study.get_trials(deepcopy=False)[trial.number]
        known = tried.setdefault(_key(trial.params), frozen)
        if known.number == trial.number:
            batch.append(frozen)
            continue
        trial.set_user_attr("repeats", known.number)
        _tell_again(study, trial, known)
    if len(batch) < wanted:
        log.info("The search has nothing new to try after %d trials", _count(study))
    return batch


def _key(params: Params) -> str:
    return repr(sorted(params.items()))


def _tell_again(study: optuna.Study, trial: optuna.Trial, known: FrozenTrial) -> None:
    """A repeated suggestion has the value that it had before, where it is known."""
    if known.state == TrialState.COMPLETE:
        study.tell(trial, known.value)
    else:
        study.tell(trial, state=TrialState.FAIL)


def _train(
    sweeper: SearchSweeper,
    study: optuna.Study,
    batch: Sequence[FrozenTrial],
    common: Sequence[str],
    seen: dict[int, str],
) -> None:
    assert sweeper.launcher is not None
    overrides = [[*(f"{key}={value}" for key, value in trial.params.items()), *common] for trial in batch]
    returns = sweeper.launcher.launch(overrides, initial_job_idx=batch[0].number)
    for trial, returned in zip(batch, returns, strict=True):
        value = _value(returned)
        run = _directory(returned)
        if run is not None:
            seen[trial.number] = str(run.path)
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
    if returned.hydra_cfg is None:
        return None
    return RunDirectory(Path(str(returned.hydra_cfg.hydra.runtime.output_dir)))


def _was_dropped(run: RunDirectory) -> bool:
    try:
        return "dropped_at" in run.read_status()
    except RunError:
        return False


def _tell_dropped(study: optuna.Study, trial: FrozenTrial, value: float, run: RunDirectory) -> None:
    """A run that was dropped at a rung has its value from there, as a pruned trial has in Optuna."""
    live = optuna.Trial(study, trial._trial_id)
    live.report(value, int(run.read_status()["dropped_at"]))
    study.tell(trial.number, state=TrialState.PRUNED)


def _report(study: optuna.Study, folder: Path, seen: dict[int, str]) -> Params:
    if not study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        raise RunError("no trial of the search has finished: see the messages above")
    best = study.best_trial
    results = {
        "name": "optuna",
        "best_evaluated_params": best.params,
        "best_evaluated_value": best.value,
        "trials": _count(study),
    }
    if best.number in seen:
        results["best_run"] = seen[best.number]
    OmegaConf.save(OmegaConf.create(results), folder / RESULTS)
    settings = " ".join(f"{key}={value}" for key, value in best.params.items())
    log.info("Best of %d trials: %.6g with %s", results["trials"], best.value, settings)
    return best.params
