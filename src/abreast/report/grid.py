"""Groups in a grid of two settings, such as loss by optimizer."""

from __future__ import annotations

from collections.abc import Sequence

from abreast.report.groups import Analysis, Group, Task
from abreast.report.settings import format_setting


def grid_axes(task: Task, analysis: Analysis) -> tuple[str, str] | None:
    """Choose the two settings that span the grid.

    Returns:
        The settings of rows and of columns: loss and optimizer if they vary, else the first two that do. None
        if fewer than two settings vary.
    """
    varied = [
        key
        for key in analysis.keys
        if len({format_setting(group.settings[key]) for group in task.groups}) > 1
    ]
    if not varied:
        return None
    row_key = "loss" if "loss" in varied else varied[0]
    others = [key for key in varied if key != row_key]
    if not others:
        return None
    return row_key, "optim" if "optim" in others else others[0]


def best_group(groups: Sequence[Group], analysis: Analysis) -> Group | None:
    """Choose the group with the best validation metric; one without values only if none has any."""
    with_values = [group for group in groups if group.summary.mean is not None]
    if not with_values:
        return groups[0] if groups else None

    def score(group: Group) -> float:
        validated = group.selection_summary.mean if analysis.selection else None
        mean = group.summary.mean if validated is None else validated
        assert mean is not None
        return mean if analysis.higher_is_better else -mean

    return max(with_values, key=score)


def representatives(task: Task, analysis: Analysis) -> list[Group]:
    """Choose the best group of each cell of the grid, in the order of the task; all groups without a grid."""
    axes = grid_axes(task, analysis)
    if axes is None:
        return task.groups
    cells: dict[tuple[str, ...], list[Group]] = {}
    for group in task.groups:
        cells.setdefault(tuple(format_setting(group.settings[key]) for key in axes), []).append(group)
    chosen = [best_group(groups, analysis) for groups in cells.values()]
    return [group for group in task.groups if group in chosen]
