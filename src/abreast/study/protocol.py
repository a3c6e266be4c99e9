"""A study's protocol: cells, trials and seeds, read from its YAML and checked before anything trains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from abreast.config.override_keys import key_of
from abreast.config.types import is_whole
from abreast.errors import ConfigError
from abreast.metrics.margin import read_margin
from abreast.metrics.registry import asking_for, by_priority
from abreast.study.cells import Cell, Groups, read_cells
from abreast.study.overrides import CommandLine, override
from abreast.study.space import Setting, draw_settings, grid_size
from abreast.study.splits import Split, read_splits
from abreast.suggestions import did_you_mean, listed

SWEEPER = "hydra.sweeper"
KEYS = (
    *("cells", "space", "trials", "tune_seeds", "tune_splits", "repeat_seeds", "repeat_splits"),
    *("search_seed", "metric", "margin"),
)
METRICS = tuple(m.name for m in by_priority() if not m.test_only and not m.on_request)
RESERVED = ("seed", "test")  # set by the protocol for each run


@dataclass(frozen=True)
class Protocol:
    """Everything that a study does, as a function of its configuration and command line.

    Attributes:
        name: The study's name.
        cells: What is compared.
        trials: The number of settings that are tried in each cell.
        tune_seeds: Seeds of the runs that choose the settings.
        repeat_seeds: Seeds of the runs that repeat the chosen settings and are tested.
        search_seed: Seed of the settings that are drawn.
        metric: What cells are compared by in the test; None: the first metric of the task.
        margin: The difference in that metric up to which cells are equivalent; None without one.
        fixed: Overrides of every run.
        repeat_splits: The splits of the data that the repeats are trained on; only one, that of the
            configuration, by default.
        tune_splits: The splits that the settings are chosen on, those of the repeats by default.
    """

    name: str
    cells: tuple[Cell, ...]
    trials: int
    tune_seeds: tuple[int, ...]
    repeat_seeds: tuple[int, ...]
    search_seed: int = 0
    metric: str | None = None
    margin: float | None = None
    fixed: tuple[str, ...] = ()
    repeat_splits: tuple[Split, ...] = (Split(),)
    tune_splits: tuple[Split, ...] = (Split(),)

    @property
    def tunings(self) -> list[tuple[Split, int]]:
        """The split and the seed of each run of a trial, in order."""
        return [(split, seed) for split in self.tune_splits for seed in self.tune_seeds]

    @property
    def repeats(self) -> list[tuple[Split, int]]:
        """The split and the seed of each repeat of a cell, in order."""
        return [(split, seed) for split in self.repeat_splits for seed in self.repeat_seeds]

    def tuning_runs(self) -> list[list[str]]:
        """Return the overrides of every tuning run: by cell, then by setting, then by split and seed."""
        return [
            self._run("tune", cell, setting, seed, split.overrides)
            for cell in self.cells
            for setting in cell.settings
            for split, seed in self.tunings
        ]

    def repeat_runs(self, chosen: Sequence[int | None]) -> list[list[str]]:
        """Return the overrides of every repeat.

        Args:
            chosen: For each cell the index of its chosen setting; None for a cell that is not repeated.
        """
        return [
            self._run("repeat", cell, cell.settings[index], seed, split.overrides)
            for cell, index in zip(self.cells, chosen, strict=True)
            if index is not None
            for split, seed in self.repeats
        ]

    def _run(
        self, stage: str, cell: Cell, setting: Setting, seed: int, split: Sequence[str] = ()
    ) -> list[str]:
        tuned = [override(key, value) for key, value in setting.items()]
        test = "true" if stage == "repeat" else "false"  # tuning never sees the test examples
        directory = f"hydra.sweep.subdir={stage}/${{hydra:job.num}}"
        return [*self.fixed, *cell.overrides, *tuned, *split, f"seed={seed}", f"test={test}", directory]


def read_protocol(
    name: str, node: Mapping[str, object], command_line: CommandLine, groups: Groups
) -> Protocol:
    """Read the protocol of a study.

    Args:
        name: The study's name.
        node: The content of `hydra.sweeper`.
        command_line: The overrides, which take precedence over the study.
        groups: The options of every configuration group.

    Raises:
        ConfigError: With a line for each mistake.
    """
    problems: list[str] = []
    for key in node:
        if key not in KEYS and key != "_target_":
            near = did_you_mean(str(key), KEYS, f"{SWEEPER}.{{}}")
            problems.append(f"{SWEEPER}.{key}: unknown key. A study has {listed(KEYS)}{near}")
    for key in RESERVED:
        if key in command_line.fixed or key in map(key_of, command_line.swept):
            fix = f". Its seeds are {SWEEPER}.tune_seeds and {SWEEPER}.repeat_seeds" * (key == "seed")
            problems.append(f"{key}: is set by the study for each run; leave it out{fix}")
    tune, repeat = (_seeds(key, node.get(key), problems) for key in ("tune_seeds", "repeat_seeds"))
    common = [str(seed) for seed in repeat if seed in tune]
    if common:
        problems.append(
            f"{SWEEPER}.repeat_seeds: {listed(common)} is also in tune_seeds, and a setting looks too good "
            "on a seed that it was chosen on; use other seeds"
        )
    search_seed, metric = node.get("search_seed", 0), node.get("metric")
    if not is_whole(search_seed):
        problems.append(f"{SWEEPER}.search_seed: must be an integer of at least 0, got {search_seed}")
        search_seed = 0
    if metric is not None and metric not in METRICS and not asks_for_metrics(command_line):
        near = did_you_mean(str(metric).removeprefix("test/"), METRICS)
        near = near or asking_for(str(metric).removeprefix("test/"))
        problems.append(f"{SWEEPER}.metric: must be one of {listed(METRICS)}, got {metric}{near}")
    margin = _margin(node.get("margin"), metric, problems)
    splits = read_splits(f"{SWEEPER}.repeat_splits", node.get("repeat_splits"), problems)
    tune_splits = splits
    if node.get("tune_splits") is not None:
        tune_splits = read_splits(f"{SWEEPER}.tune_splits", node["tune_splits"], problems)
    cells = read_cells(node.get("cells"), node.get("space"), command_line, groups, problems)
    if problems:
        raise ConfigError("\n".join(dict.fromkeys(problems)))
    trials = _trials(node.get("trials"), cells)
    with_settings = tuple(
        replace(cell, settings=tuple(draw_settings(cell.space, trials, search_seed))) for cell in cells
    )
    set_by_cells = {key_of(line) for cell in cells for line in cell.overrides}
    fixed = tuple(line for key, line in command_line.fixed.items() if key not in set_by_cells)
    metric_name = None if metric is None else str(metric)
    return Protocol(
        *(name, with_settings, trials, tune, repeat, search_seed, metric_name, margin, fixed, splits),
        tune_splits,
    )


def asks_for_metrics(command_line: CommandLine) -> bool:
    """Whether a command line asks for metrics, which are known once its configuration is composed."""
    keys = (key.lstrip("+").partition(".")[0] for key in command_line.fixed)
    return "metrics" in keys


def _margin(node: object, metric: object, problems: list[str]) -> float | None:
    try:
        return None if node is None else read_margin(f"{SWEEPER}.margin", node, f"test/{metric or ''}")
    except ConfigError as error:
        problems.append(str(error))
        return None


def _seeds(key: str, node: object, problems: list[str]) -> tuple[int, ...]:
    if not isinstance(node, list) or not node or not all(map(_is_seed, node)):
        problems.append(f"{SWEEPER}.{key}: must be a list of integers from 0 to 2**32 - 1, got {node}")
        return ()
    if len({*node}) < len(node):
        problems.append(f"{SWEEPER}.{key}: {node} contains a seed twice, and one run does not count as two")
    return tuple(node)


def _trials(node: object, cells: Sequence[Cell]) -> int:
    """The number of trials, which is the same for every cell."""
    sizes = {cell.name: grid_size(cell.space) for cell in cells}
    grids = {name: size for name, size in sizes.items() if size is not None}
    if node is None:
        return _grid_size(sizes, grids)
    if not is_whole(node, 1):
        raise ConfigError(f"{SWEEPER}.trials: must be an integer of at least 1, got {node}")
    small = [f"{name} ({size})" for name, size in grids.items() if size < node]
    if small:
        more = f" and {len(small) - 3} more" if len(small) > 3 else ""
        raise ConfigError(
            f"{SWEEPER}.trials: {node} is more than the grid has for {listed(small[:3])}{more}. Every cell "
            f"gets the same budget; write {min(grids.values())} or less, or add values to the space"
        )
    return node


def _grid_size(sizes: Mapping[str, int | None], grids: Mapping[str, int]) -> int:
    """The common size of the grids of all cells."""
    if len(grids) < len(sizes):
        infinite = next(name for name, size in sizes.items() if size is None)
        raise ConfigError(
            f"{SWEEPER}.trials: has no value, but the space of {infinite} has an interval; write a number "
            "such as 20"
        )
    if len({*grids.values()}) > 1:
        pairs = listed(f"{name}: {size}" for name, size in grids.items())
        raise ConfigError(
            f"{SWEEPER}.trials: has no value, but the grids differ in size ({pairs}). Every cell gets the "
            f"same budget; write {min(grids.values())} or less"
        )
    return next(iter(grids.values()))


def _is_seed(value: object) -> bool:
    return is_whole(value) and value < 2**32
