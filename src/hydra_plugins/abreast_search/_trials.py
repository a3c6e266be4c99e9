"""The trials of a search: Optuna suggests them, and is told how they ended."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from hydra.core.utils import JobReturn, JobStatus
from optuna.trial import FrozenTrial, TrialState

from abreast.errors import RunError
from abreast.runs.directory import RunDirectory
from abreast.runs.job_directory import job_directory
from hydra_plugins.abreast_launcher._asked_jobs import Arrival, Trial
from hydra_plugins.abreast_search._rungs import Rungs, Verdict
from hydra_plugins.abreast_search._study import StoredStudy
from hydra_plugins.abreast_search.config import AbreastSearchConf

log = logging.getLogger(__name__)

Params = dict[str, Any]

# Attributes of Optuna's trials; clocks are epochs that the search's stacks had trained.
JOINED = "joined"  # the clock when the trial began, less the epochs that it had by then
ENDED = "ended"  # the clock when it ended
REPEATS = "repeats"  # the number of an earlier trial with its settings
CONTINUES = "continues"  # the number of an earlier one that was pruned, and continues as this one
PROMOTED = "promoted"  # the rung from which it continues
RUNGS = "rungs"  # what was said of it at rungs

TRIES = 20  # suggestions for a new trial, until there seem to be none


class OptunaTrials:
    """The trials of a study.

    Every suggestion follows from the search's seed, the trial's number and the trials before. A trial that
    halving has pruned and that continues later is another trial of Optuna's, which marks what it continues.

    Args:
        study: Optuna's study.
        settings: The sweeper's settings.
        space: What is searched.
        common: Overrides of all trials.

    Attributes:
        rungs: Who has reached which rung of successive halving.
        latest: The clock of the latest event that was noted.
        directories: The directories of trials that have ended, by their number.
    """

    def __init__(
        self, study: optuna.Study, settings: AbreastSearchConf, space: Params, common: Sequence[str]
    ) -> None:
        self.study = StoredStudy(study)
        self.settings = settings
        self.space = space
        self.common = list(common)
        self.rungs = Rungs()
        self.latest = 0
        self.directories: dict[int, str] = {}
        self._begun = [trial for trial in self.study.trials if trial.state == TrialState.RUNNING]
        self._live = {self.number_of(trial): trial.number for trial in self._begun}  # Optuna's numbers
        self._dropped: set[int] = set()  # that are live until they are told
        self._is_used_up = False

    def halve(self, rungs: Sequence[int], keep: float) -> None:
        """Compare trials after these epochs, and let so large a share of them continue."""
        self.rungs = Rungs(rungs, keep)
        for trial in self.study.trials:
            number, notes = self.number_of(trial), trial.user_attrs
            clocks = [notes.get(JOINED, 0) + notes.get(PROMOTED, 0), notes.get(ENDED, 0)]
            for rung, split, cost, clock, is_promoted, rank in notes.get(RUNGS, []):
                self.rungs.note(Verdict(Arrival(number, rung, split, cost), clock, is_promoted, rank))
                clocks.append(clock)
                if not is_promoted and trial.state == TrialState.RUNNING:
                    self._dropped.add(number)
            if PROMOTED in notes:
                self.rungs.promote(number, notes[PROMOTED])
            self.latest = max(self.latest, *clocks)

    @staticmethod
    def number_of(trial: FrozenTrial) -> int:
        """The number of the trial, or of the one that it continues."""
        return int(trial.user_attrs.get(CONTINUES, trial.number))

    @property
    def count(self) -> int:
        """Trials that were asked for, without those that repeat or continue another one."""
        return sum(not {REPEATS, CONTINUES} & {*trial.user_attrs} for trial in self.study.trials)

    @property
    def left(self) -> int:
        """Trials that may still be asked for; and one if some continue from a rung."""
        is_promoted = self.rungs.promotable(math.inf, is_last=self._is_last())
        return len(self._begun) + self._missing() + (is_promoted is not None)

    def _missing(self) -> int:
        return 0 if self._is_used_up else max(0, self.settings.n_trials - self.count)

    def _is_last(self, arrivals: Sequence[Arrival] = ()) -> bool:
        """Whether no trial but these may still reach a rung."""
        live = {*self._live} - self._dropped - {arrival.number for arrival in arrivals}
        return not live and not self._missing()

    def ask(self, count: int, clock: int) -> list[Trial]:
        """The next trials; what a search that was stopped had begun comes first, at once.

        Args:
            count: The most trials.
            clock: Epochs that the search's stacks have trained.
        """
        begun, self._begun = self._begun, []
        if begun:
            return [self._trial(trial)._replace(is_begun=True) for trial in begun]
        trials: list[FrozenTrial] = []
        while len(trials) < count and (promoted := self._promote(clock)) is not None:
            trials.append(promoted)
        trials += self._suggest(count - len(trials), clock)
        if trials:
            self.latest = max(self.latest, clock)
            self._live |= {self.number_of(trial): trial.number for trial in trials}
        return [self._trial(trial) for trial in trials]

    def _trial(self, trial: FrozenTrial) -> Trial:
        params = [f"{key}={value}" for key, value in trial.params.items()]
        joined, promoted = (int(trial.user_attrs.get(key, 0)) for key in (JOINED, PROMOTED))
        number = self.number_of(trial)
        return Trial(number, [*params, *self.common], " ".join(params), joined, promoted)

    def _promote(self, clock: int) -> FrozenTrial | None:
        """Let the best trial that was dropped continue, if it is among the best now."""
        best = self.rungs.promotable(clock, is_last=self._is_last(), without=self._live)
        if best is None:
            return None
        number, rung = best
        trial = optuna.trial.create_trial(
            state=TrialState.RUNNING,
            params=self.study.trials[number].params,
            distributions=self.study.trials[number].distributions,
            user_attrs={CONTINUES: number, PROMOTED: rung, JOINED: clock - rung},
        )
        self.rungs.promote(number, rung)
        self._live[number] = len(self.study.trials)
        return self.study.add(trial)

    def _suggest(self, count: int, clock: int) -> list[FrozenTrial]:
        """New trials, with settings that were not tried before; fewer where the space holds no more."""
        from hydra.utils import instantiate

        missing = min(count, self._missing())
        tried = {_key(trial.params): trial for trial in reversed(self.study.trials)}
        new: list[FrozenTrial] = []
        for _ in range(missing * TRIES):
            if len(new) >= missing:
                break
            seed = np.random.SeedSequence([self.settings.seed, len(self.study.trials)])
            sampler = instantiate(self.settings.sampler, seed=int(seed.generate_state(1)[0]), _convert_="all")
            trial = self.study.suggest(sampler, self.space)
            known = tried.setdefault(_key(trial.params), trial)
            if known is trial:
                new.append(self.study.store(trial.number, {JOINED: clock}))
                continue
            has_value = known.state == TrialState.COMPLETE
            state, value = (known.state, known.value) if has_value else (TrialState.FAIL, None)
            self.study.store(trial.number, {JOINED: clock, REPEATS: known.number}, state, value)
        if len(new) < missing:
            self._is_used_up = True
            log.info("The search has nothing new to try after %d trials", self.count)
        return new

    def joins(self, number: int, joined: int) -> None:
        """Note that a trial begins at another time than it was asked for."""
        self.study.note(self._live[number], JOINED, joined)

    def reach(self, arrivals: Sequence[Arrival], clock: int) -> Mapping[int, str]:
        """The trials that are to be dropped at a rung, with their rank in words."""
        verdicts = self.rungs.judge(arrivals, clock, is_last=self._is_last(arrivals))
        dropped = {v.arrival.number: v.rank for v in verdicts if not v.is_promoted}
        self._dropped |= {*dropped}
        for verdict in verdicts:
            (number, *arrival), *said = verdict
            known = self.study.trials[self._live[number]].user_attrs.get(RUNGS, [])
            if [*arrival, *said] not in known:
                self.study.note(self._live[number], RUNGS, [*known, [*arrival, *said]])
                self.latest = max(self.latest, clock)
        return dropped

    def tell(self, number: int, returned: JobReturn, clock: int) -> None:
        """Tell Optuna how a trial ended; one that halving dropped was pruned, with the value that it had."""
        value, run, live = _value(returned), _directory(returned), self._live.pop(number, number)
        self._dropped.discard(number)
        if run is not None:
            self.directories[number] = str(run.path)
        self.study.note(live, ENDED, clock)
        self.latest = max(self.latest, clock)
        if value is None:
            self.study.tell(live, TrialState.FAIL)
        elif run is not None and _was_dropped(run):
            self.study.tell(live, TrialState.PRUNED, value, int(run.read_status()["dropped_at"]))
        else:
            self.study.tell(live, TrialState.COMPLETE, value)


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
