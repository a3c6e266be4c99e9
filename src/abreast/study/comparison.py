"""What the repeats say: each cell's mean with its interval, and which cells cannot be told apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from abreast.report.groups import NO_TASK, TASK
from abreast.statistics.comparison import (
    ALPHA,
    Group,
    Ranking,
    Summary,
    best_of,
    compare,
    contrast,
    holm,
    summarise,
)
from abreast.study.cells import Cell
from abreast.study.criteria import Grounds, containing
from abreast.study.overrides import key_of
from abreast.study.selection import Choice, Outcome


@dataclass(frozen=True)
class Verdict:
    """Every cell's summary of the test score over the fresh seeds, and all cells against the reference.

    Cells are compared with a reference: of those on the same data the one that validated best while tuning.
    Neither the test rows nor the fresh seeds chose it, so the corrected tests keep their level however many
    cells there are. `rankings` holds for each cell that of its data.
    """

    summaries: tuple[Summary, ...]
    rankings: tuple[Ranking, ...]
    warnings: tuple[str, ...] = ()


def judge(
    choices: Sequence[Choice],
    grounds: Sequence[Grounds],
    repeats: Sequence[Sequence[Outcome]],
    metric: str,
    mode: str,
) -> Verdict:
    """Compare the cells by the test score `metric`, of which `max` or `min` is best."""
    higher = mode == "max"
    names = [choice.cell.name for choice in choices]
    groups: dict[str, Group] = {
        name: {each.seed: each.value for each in outcomes if each.value is not None}
        for name, outcomes in zip(names, repeats, strict=True)
    }
    validation = f"val/{metric.partition('/')[2]}"
    tuned: dict[str, Group] = {}
    for choice in choices:  # one value each, under one name for all
        score = choice.best.mean(validation) if choice.best and groups[choice.cell.name] else None
        tuned[choice.cell.name] = {} if score is None else {0: score}
    cells = [choice.cell for choice in choices]
    rankings: dict[tuple[str, ...], Ranking] = {}
    for task in dict.fromkeys(map(task_of, cells)):
        among = [cell.name for cell in cells if task_of(cell) == task]
        reference = best_of({name: tuned[name] for name in among}, higher_is_better=higher)
        rankings[task] = compare(
            {name: groups[name] for name in among}, higher_is_better=higher, winner=reference
        )
    summaries = tuple(summarise(groups[name].values()) for name in names)
    return Verdict(
        summaries,
        tuple(rankings[task_of(cell)] for cell in cells),
        tuple(_untuned(cells, grounds, groups, metric, higher)),
    )


def task_of(cell: Cell) -> tuple[str, ...]:
    """The overrides of a cell that change its data: only what has them in common is compared."""
    keys = {line: key_of(line) for line in cell.overrides}
    return tuple(line for line, key in keys.items() if key.split(".")[0] in TASK and key not in NO_TASK)


def _untuned(
    cells: Sequence[Cell], grounds: Sequence[Grounds], groups: dict[str, Group], metric: str, higher: bool
) -> Iterator[str]:
    """A warning for each cell that could have been another one, and is significantly worse than it."""
    pairs = [
        (cells[outer].name, cells[inner].name, contrast(groups[cells[outer].name], groups[cells[inner].name]))
        for outer, inner in containing(cells, grounds)
    ]
    tested = [(outer, inner, each, each.p) for outer, inner, each in pairs if each.p is not None]
    for (outer, inner, each, _), p in zip(tested, holm([each[3] for each in tested]), strict=True):
        if p <= ALPHA and each.difference and (each.difference < 0) == higher:
            yield (
                f"The tuning failed: {outer} can be all that {inner} can be, yet its {metric} is worse by "
                f"{abs(each.difference):.4g} (p = {p:.2g}): give it more trials"
            )
