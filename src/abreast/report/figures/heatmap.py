"""The final metric in a grid of two settings, such as loss by optimizer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from abreast.config.types import Json, is_number
from abreast.report.figures.base import COLORSCALE, Figure, FigureOptions, full_text, layout, safe_text
from abreast.report.figures.group_labels import hover_lines
from abreast.report.formatting import (
    format_mean,
    format_number,
    format_part,
    metric_title,
)
from abreast.report.grid import best_group, grid_axes
from abreast.report.groups import Analysis, Group, Task
from abreast.report.settings import ABSENT, Scalar, format_setting
from abreast.statistics.comparison import NOT_WORSE, Verdict

MOST_CELLS = 2500
LABEL = 24  # characters
Cell = tuple[str, str]  # its row and its column
T = TypeVar("T")
# Verdicts in a cell: plotly shrinks all texts until the longest fits.
SHORT: dict[Verdict, str] = {"winner": "best", "not significantly different": "n. s."}


@dataclass(frozen=True)
class _Grid:
    """The groups of a task by two settings.

    Attributes:
        axes: The settings of rows and of columns.
        rows: The values of the first, in order.
        columns: The values of the second, in order.
        cells: The groups of each row and column.
        best: The best group of each by validation; None for one without groups.
    """

    axes: tuple[str, str]
    rows: Sequence[str]
    columns: Sequence[str]
    cells: Mapping[Cell, Sequence[Group]]
    best: Mapping[Cell, Group | None]

    def by_row(self, values: Mapping[Cell, T]) -> list[list[T]]:
        """The values of the cells, a list for each row."""
        return [[values[row, column] for column in self.columns] for row in self.rows]


def heatmap(task: Task, analysis: Analysis, options: FigureOptions) -> Figure | None:
    """Make the grid: each cell shows its best group by validation, with interval and failures."""
    grid = _grid(task, analysis)
    if grid is None:
        return None
    row_key, column_key = grid.axes
    others = [key for key in analysis.keys if key not in grid.axes]
    chosen = f" Each cell shows its best {', '.join(others)} by validation." if others else ""
    return Figure(
        "heatmap",
        f"{_title(row_key)} by {_title(column_key)}",
        f"Mean {metric_title(analysis.metric)} with its 95% confidence interval.{chosen} Best: the best of "
        "all groups; n. s.: not significantly different from it. Means cover the runs that finished and did "
        "better than guessing; the numbers of the others are in the cell.",
        {(): _drawn(grid, analysis)},
        headers=(row_key, column_key, "group", metric_title(analysis.metric), "n", "failed"),
        rows=[
            (
                *cell,
                group.label,
                format_mean(group.summary),
                group.summary.n,
                ", ".join(_failures(grid.cells[cell])),
            )
            for cell, group in grid.best.items()
            if group
        ],
    )


def _grid(task: Task, analysis: Analysis) -> _Grid | None:
    """The grid of a task's groups; None without two settings, and for one that is too large."""
    axes = grid_axes(task, analysis)
    if axes is None:
        return None
    rows, columns = (_ordered([group.settings[key] for group in task.groups]) for key in axes)
    if len(rows) * len(columns) > MOST_CELLS:
        return None
    cells: dict[Cell, list[Group]] = {(row, column): [] for row in rows for column in columns}
    for group in task.groups:
        row, column = (format_setting(group.settings[key]) for key in axes)
        cells[row, column].append(group)
    best = {cell: best_group(groups, analysis) for cell, groups in cells.items()}
    return _Grid(axes, rows, columns, cells, best)


def _drawn(grid: _Grid, analysis: Analysis) -> Json:
    """Plotly's trace and layout."""
    means = {cell: group.summary.mean if group else None for cell, group in grid.best.items()}
    texts = {cell: _cell_text(grid.best[cell], groups) for cell, groups in grid.cells.items()}
    hover = {cell: hover_lines(group) if group else ["no group", "", ""] for cell, group in grid.best.items()}
    rows, columns = ({value: safe_text(value, LABEL) for value in axis} for axis in (grid.rows, grid.columns))
    trace = {
        "type": "heatmap",
        "x": [*columns.values()],
        "y": [*rows.values()],
        "z": grid.by_row(means),
        "text": grid.by_row(texts),
        "texttemplate": "%{text}",
        "customdata": grid.by_row(hover),
        "hovertemplate": "%{customdata[0]}<br>%{customdata[1]}<br>%{customdata[2]}<extra></extra>",
        "colorscale": COLORSCALE,
        "reversescale": not analysis.higher_is_better,
        "hoverongaps": True,
        "xgap": 3,
        "ygap": 3,
        "colorbar": {"thickness": 12, "outlinewidth": 0, "title": {"text": ""}},
    }
    # plotly writes no text in a cell without a value: an annotation shows it, in the page's text colour.
    notes = [
        {"x": columns[column], "y": rows[row], "text": text, "showarrow": False}
        for (row, column), text in texts.items()
        if means[row, column] is None and text
    ]
    row_key, column_key = grid.axes
    frame = layout(
        full_text(column_key),
        full_text(row_key),
        height=120 + max(54, min(80, 480 // len(rows))) * len(rows),
        xaxis={"type": "category", "showgrid": False},
        yaxis={"type": "category", "autorange": "reversed", "showgrid": False},
        annotations=notes,
        meta={"min_width": 90 * len(columns) + 90 + 7 * max(map(len, rows.values()))},
    )
    return {"data": [trace], "layout": frame}


def _cell_text(best: Group | None, groups: Sequence[Group]) -> str:
    if best is None:
        return ""
    failures = "<br>".join(_failures(groups))
    if best.summary.mean is None:
        return failures or "no value yet"
    lines = [f"<b>{format_number(best.summary.mean)}</b>"]
    if best.summary.half is not None:
        lines.append(format_mean(best.summary).partition(" ")[2].replace(" to ", " to<br>"))
    if best.verdict in NOT_WORSE and best.verdict != "untested":
        lines.append(SHORT.get(best.verdict) or best.verdict)
    return "<br>".join([*lines, *([failures] if failures else [])])


def _failures(groups: Sequence[Group]) -> list[str]:
    """How many runs of a cell failed, and how many ended at chance."""
    runs = sum(len(group.runs) for group in groups)
    failed = format_part(sum(group.count("failed") for group in groups), runs)
    collapsed = format_part(sum(len(group.collapsed) for group in groups), runs)
    return [*([f"{failed} failed"] if failed else []), *([f"{collapsed} collapsed"] if collapsed else [])]


def _title(key: str) -> str:
    return {"loss": "Loss", "optim": "optimizer", "optim.lr": "learning rate"}.get(key, key)


def _ordered(values: Sequence[Scalar]) -> list[str]:
    """The distinct values: numbers by size after null, anything else by its text."""
    numbers = [value for value in values if is_number(value)]
    others = [value for value in values if value is None or value is ABSENT]
    if len(numbers) + len(others) == len(values):
        return list(dict.fromkeys(map(format_setting, [*others, *sorted(numbers)])))
    return list(dict.fromkeys(format_setting(value) for value in sorted(values, key=format_setting)))
