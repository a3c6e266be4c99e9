"""The settings in which runs differ, as columns of HPARAMS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from abreast.config.targets import GROUPS
from abreast.hparams.experiment import Column, Value

Row: TypeAlias = dict[str, Value]  # a run's hyperparameters: flat, by dotted key

MOST_TICKED = 5  # columns that TensorBoard shows at first
FIRST = ("loss", "optim", "optim.lr", "model", "schedule", "data", "seed")  # what people compare by
ALWAYS = "optim.lr"  # shown where it varies, even if it does so with the optimizer alone


class VariedColumns:
    """Collects the hyperparameters of runs, and finds those that vary."""

    def __init__(self) -> None:
        # By name and by the option that they belong to.
        self._values: dict[str, dict[object, set[tuple[type, Value]]]] = {}

    def add(self, row: Mapping[str, Value]) -> None:
        """Add the hyperparameters of a run."""
        for name, value in row.items():
            group = name.removeprefix("target.").partition(".")[0]
            follows = name != group and group in GROUPS and name != ALWAYS
            option = row.get(group) if follows else None
            self._values.setdefault(name, {}).setdefault(option, set()).add((type(value), value))

    @property
    def varied(self) -> list[str]:
        """The settings in which the runs differ, those first that people compare by.

        >>> columns = VariedColumns()
        >>> for optim, key in (("sgd", "optim.momentum"), ("adam", "optim.eps")):
        ...     columns.add({"seed": 0, "optim": optim, key: 0.1})
        >>> columns.varied  # the others follow from it
        ['optim']
        """
        names = [name for name, by_option in self._values.items() if max(map(len, by_option.values())) > 1]
        return sorted(names, key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST))

    @property
    def columns(self) -> list[Column]:
        """A column for each setting that varies; the first are ticked."""
        return [
            Column(
                name,
                [value for values in self._values[name].values() for _, value in values],
                is_ticked=number < MOST_TICKED,
            )
            for number, name in enumerate(self.varied)
        ]
