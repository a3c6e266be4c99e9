"""Groups in cells of two settings, loss by optimizer: which two, and who stands for a cell."""

from __future__ import annotations

from collections.abc import Sequence

from abreast.report.groups import Answer, Group, Task
from abreast.report.settings import text


def axes(task: Task, found: Answer) -> tuple[str, str] | None:
    """The two settings that span the map: loss and optimizer, else the first two that were varied."""
    varied = [key for key in found.keys if len({text(group.settings[key]) for group in task.groups}) > 1]
    if not varied:
        return None
    down = "loss" if "loss" in varied else varied[0]
    others = [key for key in varied if key != down]
    if not others:
        return None
    return down, "optim" if "optim" in others else others[0]


def best_of(groups: Sequence[Group], found: Answer) -> Group | None:
    """Of the groups in a cell the one that validated best; one without any value if there is no other."""
    able = [group for group in groups if group.summary.mean is not None]
    if not able:
        return groups[0] if groups else None

    def score(group: Group) -> float:
        mean = group.chosen.mean if found.selection and group.chosen.mean is not None else group.summary.mean
        assert mean is not None
        return mean if found.higher else -mean

    return max(able, key=score)


def representatives(task: Task, found: Answer) -> list[Group]:
    """The groups that stand for the cells, in the table's order; all groups where there are no cells."""
    spanned = axes(task, found)
    if spanned is None:
        return task.groups
    cells: dict[tuple[str, ...], list[Group]] = {}
    for group in task.groups:
        cells.setdefault(tuple(text(group.settings[key]) for key in spanned), []).append(group)
    chosen = [best_of(groups, found) for groups in cells.values()]
    return [group for group in task.groups if group in chosen]
