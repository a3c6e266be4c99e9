"""A study's protocol: cells, trials and seeds, read from its YAML and checked before anything trains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from abreast.errors import ConfigError
from abreast.study import cells as reading
from abreast.study.cells import Cell, Groups
from abreast.study.overrides import Given, key_of, override
from abreast.study.space import Setting, grid_size, settings
from abreast.suggestions import did_you_mean, listed

HERE = "hydra.sweeper"
KEYS = ("cells", "space", "trials", "tune_seeds", "repeat_seeds", "search_seed", "metric")
METRICS = ("accuracy", "r2", "mae", "loss")
OURS = ("seed", "test")  # set by the protocol alone


@dataclass(frozen=True)
class Protocol:
    """All that a study does, as a function of its configuration and command line.

    fixed: overrides of every run. metric: what is compared on the test rows; None for the task's own.
    """

    name: str
    cells: tuple[Cell, ...]
    trials: int
    tune_seeds: tuple[int, ...]
    repeat_seeds: tuple[int, ...]
    search_seed: int = 0
    metric: str | None = None
    fixed: tuple[str, ...] = ()

    def tuning(self) -> list[list[str]]:
        """The overrides of every tuning run: cell by cell, setting by setting, seed by seed."""
        return [
            self.run("tune", cell, setting, seed)
            for cell in self.cells
            for setting in cell.settings
            for seed in self.tune_seeds
        ]

    def repeats(self, chosen: Sequence[int | None]) -> list[list[str]]:
        """The overrides of every repeat; `chosen` is a setting's place for each cell, None for no repeat."""
        return [
            self.run("repeat", cell, cell.settings[at], seed)
            for cell, at in zip(self.cells, chosen, strict=True)
            if at is not None
            for seed in self.repeat_seeds
        ]

    def run(self, stage: str, cell: Cell, setting: Setting, seed: int) -> list[str]:
        """The overrides of one run; tuning runs never see the test rows."""
        tuned = [override(key, value) for key, value in setting.items()]
        test = "true" if stage == "repeat" else "false"
        place = f"hydra.sweep.subdir={stage}/${{hydra:job.num}}"
        return [*self.fixed, *cell.overrides, *tuned, f"seed={seed}", f"test={test}", place]


def read(name: str, node: Mapping[str, Any], given: Given, groups: Groups) -> Protocol:
    """The protocol of a study's YAML (`node`), changed by the command line; `groups` holds all options.

    Raises one ConfigError with a line for each mistake.
    """
    problems: list[str] = []
    for key in node:
        if key not in KEYS and key != "_target_":
            near = did_you_mean(str(key), KEYS, f"{HERE}.{{}}")
            problems.append(f"{HERE}.{key}: no such key. A study has {listed(KEYS)}{near}")
    for key in OURS:
        if key in given.fixed or key in map(key_of, given.swept):
            fix = f"; its seeds are {HERE}.tune_seeds and {HERE}.repeat_seeds" * (key == "seed")
            problems.append(f"{key}: the study sets it, run by run; leave it out{fix}")
    tune, repeat = (_seeds(key, node.get(key), problems) for key in ("tune_seeds", "repeat_seeds"))
    both = [str(seed) for seed in repeat if seed in tune]
    if both:
        problems.append(
            f"{HERE}.repeat_seeds: {listed(both)} also among tune_seeds: a setting chosen on a seed "
            "looks too good on it; give other seeds"
        )
    search_seed, metric = node.get("search_seed", 0), node.get("metric")
    if not _is_count(search_seed, 0):
        problems.append(f"{HERE}.search_seed: must be a whole number of 0 or more, got {search_seed}")
    if metric is not None and metric not in METRICS:
        near = did_you_mean(str(metric).removeprefix("test/"), METRICS)
        problems.append(f"{HERE}.metric: must be one of {listed(METRICS)}, got {metric}{near}")
    cells = reading.read(node.get("cells"), node.get("space"), given, groups, problems)
    if problems:
        raise ConfigError("\n".join(dict.fromkeys(problems)))
    trials = _trials(node.get("trials"), cells)
    planned = tuple(
        replace(cell, settings=tuple(settings(cell.space, trials, search_seed))) for cell in cells
    )
    sets = {key_of(line) for cell in cells for line in cell.overrides}
    fixed = tuple(line for key, line in given.fixed.items() if key not in sets)
    return Protocol(name, planned, trials, tune, repeat, search_seed, metric, fixed)


def _seeds(key: str, node: Any, problems: list[str]) -> tuple[int, ...]:
    if not isinstance(node, list) or not node or not all(_is_seed(each) for each in node):
        problems.append(f"{HERE}.{key}: must be a list of whole numbers from 0 to 2**32 - 1, got {node}")
        return ()
    if len({*node}) < len(node):
        problems.append(f"{HERE}.{key}: {node} holds a seed twice, and one run cannot count as two")
    return tuple(node)


def _trials(node: Any, cells: Sequence[Cell]) -> int:
    """The budget, the same for every cell. Raises ConfigError where it cannot be."""
    sizes = {cell.name: grid_size(cell.space) for cell in cells}
    grids = {name: size for name, size in sizes.items() if size is not None}
    if node is None:
        if len(grids) < len(sizes):
            endless = next(name for name, size in sizes.items() if size is None)
            raise ConfigError(
                f"{HERE}.trials: has no value, and the space of {endless} has an interval; write 20"
            )
        if len({*grids.values()}) > 1:
            each = listed(f"{name}: {size}" for name, size in grids.items())
            raise ConfigError(
                f"{HERE}.trials: has no value, and the grids differ in size ({each}): every cell "
                f"gets the same budget; write {min(grids.values())} or less"
            )
        return next(iter(grids.values()))
    if not _is_count(node, 1):
        raise ConfigError(f"{HERE}.trials: must be a whole number of 1 or more, got {node}")
    small = [f"{name} ({size})" for name, size in grids.items() if size < node]
    if small:
        more = f" and {len(small) - 3} more" if len(small) > 3 else ""
        raise ConfigError(
            f"{HERE}.trials: {node} is more than the grid has for {listed(small[:3])}{more}: every cell gets "
            f"the same budget; write {min(grids.values())} or less, or give the space more values"
        )
    return int(node)


def _is_seed(value: Any) -> bool:
    return _is_count(value, 0) and value < 2**32


def _is_count(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
