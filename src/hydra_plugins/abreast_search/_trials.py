"""The trials of a search: Optuna suggests them, and is told how they ended."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import optuna
from hydra.core.utils import JobReturn, JobStatus
from optuna.trial import FrozenTrial, TrialState

from abreast.errors import RunError
from abreast.runs.directory import RunDirectory
from abreast.runs.job_directory import job_directory
from hydra_plugins.abreast_launcher._asked import Trial
from hydra_plugins.abreast_search.config import AbreastSearchConf

log = logging.getLogger(__name__)

Params = dict[str, Any]
JOINED = "joined"  # attribute of a trial: epochs that the stack had trained when it was asked for
REPEATS = "repeats"  # attribute of a trial: the number of an earlier one with its settings
TRIES = 20  # suggestions for a new trial, until there seem to be none


class OptunaTrials:
    """The trials of a study.

    Every suggestion follows from the search's seed, the trial's number and the trials before.

    Args:
        study: Optuna's study.
        settings: The sweeper's settings.
        space: What is searched.
        common: Overrides of all trials.

    Attributes:
        directories: The directories of trials that have ended, by their number.
    """

    def __init__(
        self, study: optuna.Study, settings: AbreastSearchConf, space: Params, common: Sequence[str]
    ) -> None:
        self.study = study
        self.settings = settings
        self.space = space
        self.common = list(common)
        self.directories: dict[int, str] = {}
        self._begun = list(study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)))
        self._is_used_up = False

    @property
    def count(self) -> int:
        """Trials that were asked for: those that repeat another one are marked, and not counted."""
        return sum(REPEATS not in trial.user_attrs for trial in self.study.get_trials(deepcopy=False))

    @property
    def left(self) -> int:
        """Trials that may still be asked for."""
        missing = 0 if self._is_used_up else self.settings.n_trials - self.count
        return len(self._begun) + max(0, missing)

    def ask(self, count: int, epochs: int) -> list[Trial]:
        """The next trials; what a search that was stopped had begun comes first, at once.

        Args:
            count: The most trials.
            epochs: Epochs that their stack has trained.
        """
        begun, self._begun = self._begun, []
        return [self._trial(trial) for trial in begun or self._suggest(count, epochs)]

    def _trial(self, trial: FrozenTrial) -> Trial:
        params = [f"{key}={value}" for key, value in trial.params.items()]
        joined = int(trial.user_attrs.get(JOINED, 0))
        return Trial(trial.number, [*params, *self.common], " ".join(params), joined)

    def _suggest(self, count: int, epochs: int) -> list[FrozenTrial]:
        """New trials, with settings that were not tried before; fewer where the space holds no more."""
        from hydra.utils import instantiate

        missing = min(count, self.settings.n_trials - self.count)
        if self._is_used_up or missing <= 0:
            return []
        trials = self.study.get_trials(deepcopy=False)
        tried = {_key(trial.params): trial for trial in trials}
        new: list[FrozenTrial] = []
        for _ in range(missing * TRIES):
            if len(new) >= missing:
                break
            seed = np.random.SeedSequence([self.settings.seed, len(self.study.get_trials(deepcopy=False))])
            self.study.sampler = instantiate(
                self.settings.sampler, seed=int(seed.generate_state(1)[0]), _convert_="all"
            )
            trial = self.study.ask(self.space)
            trial.set_user_attr(JOINED, epochs)
            frozen = self.study.get_trials(deepcopy=False)[trial.number]
            known = tried.setdefault(_key(trial.params), frozen)
            if known.number == trial.number:
                new.append(frozen)
                continue
            trial.set_user_attr(REPEATS, known.number)
            self._tell_again(trial, known)
        if len(new) < missing:
            self._is_used_up = True
            log.info("The search has nothing new to try after %d trials", self.count)
        return new

    def _tell_again(self, trial: optuna.Trial, known: FrozenTrial) -> None:
        """Give a repeated suggestion the value that it had before, if that is known."""
        if known.state == TrialState.COMPLETE:
            self.study.tell(trial, known.value)
        else:
            self.study.tell(trial, state=TrialState.FAIL)

    def tell(self, number: int, returned: JobReturn) -> None:
        """Tell Optuna how a trial ended; one that halving dropped was pruned, with the value that it had."""
        value, run = _value(returned), _directory(returned)
        if run is not None:
            self.directories[number] = str(run.path)
        if value is None:
            self.study.tell(number, state=TrialState.FAIL)
        elif run is not None and _was_dropped(run):
            live = optuna.Trial(self.study, self.study.get_trials(deepcopy=False)[number]._trial_id)
            live.report(value, int(run.read_status()["dropped_at"]))
            self.study.tell(number, state=TrialState.PRUNED)
        else:
            self.study.tell(number, value)


def _key(params: Params) -> str:
    return repr(sorted(params.items()))


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
