"""Optuna's trials: in memory, where suggestions are made, and in the storage, a write for each change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState


class StoredStudy:
    """A study whose process may be killed: a trial is stored with all its settings, or not at all.

    Args:
        study: The study in its storage. No other process changes it.
    """

    def __init__(self, study: optuna.Study) -> None:
        self.stored = study
        self._memory = optuna.create_study(direction=study.direction)
        self._memory.add_trials(study.get_trials(deepcopy=False))

    @property
    def trials(self) -> Sequence[FrozenTrial]:
        """All trials, by their numbers; not to be changed."""
        return self._memory.get_trials(deepcopy=False)

    def suggest(self, sampler: BaseSampler, space: Mapping[str, Any]) -> FrozenTrial:
        """Make a suggestion, which is to be stored next."""
        self._memory.sampler = sampler
        number = self._memory.ask(dict(space)).number
        return self.trials[number]

    def store(
        self,
        number: int,
        notes: Mapping[str, Any],
        state: TrialState = TrialState.RUNNING,
        value: float | None = None,
    ) -> FrozenTrial:
        """Store a suggestion with its attributes, and perhaps its end."""
        for key, note in notes.items():
            self._memory._storage.set_trial_user_attr(self.trials[number]._trial_id, key, note)
        if state != TrialState.RUNNING:
            self._memory.tell(number, value, state)
        self.stored.add_trial(self.trials[number])
        return self.trials[number]

    def add(self, trial: FrozenTrial) -> FrozenTrial:
        """Add a trial that was not suggested."""
        for study in (self._memory, self.stored):
            study.add_trial(trial)
        return self.trials[-1]

    def note(self, number: int, key: str, value: object) -> None:
        """Set an attribute of a trial."""
        for study in (self._memory, self.stored):
            study._storage.set_trial_user_attr(_id(study, number), key, value)

    def tell(
        self, number: int, state: TrialState, value: float | None = None, step: int | None = None
    ) -> None:
        """End a trial.

        Args:
            number: Its number.
            state: How it has ended.
            value: Its value; of a pruned one, after `step`.
            step: Epochs after which it was pruned.
        """
        for study in (self._memory, self.stored):
            if step is not None and value is not None:
                study._storage.set_trial_intermediate_value(_id(study, number), step, value)
            study.tell(number, value if step is None else None, state)


def _id(study: optuna.Study, number: int) -> int:
    return study.get_trials(deepcopy=False)[number]._trial_id
