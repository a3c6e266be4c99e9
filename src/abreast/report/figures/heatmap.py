"""The final metric in a grid of two settings, such as loss by optimizer."""

from __future__ import annotations

from collections.abc import Sequence

from abreast.config.types import is_number
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
# Verdicts in a cell: plotly shrinks all texts until the longest fits.
SHORT: dict[Verdict, str] = {"winner": "best", "not significantly different": "n. s."}


def heatmap(task: Task, analysis: Analysis, options: FigureOptions) -> Figure | None:
    """Make the grid: each cell shows its best group by validation, with interval and failures."""
    axes = grid_axes(task, analysis)
    if axes is None:
        return None
    row_key, column_key = axes
    rows = _ordered([group.settings[row_key] for group in task.groups])
    columns = _ordered([group.settings[column_key] for group in task.groups])
    if len(rows) * len(columns) > MOST_CELLS:
        return None
    cells: dict[tuple[str, str], list[Group]] = {(row, column): [] for row in rows for column in columns}
    for group in task.groups:
        cell = (format_setting(group.settings[row_key]), format_setting(group.settings[column_key]))
        cells[cell].append(group)
    best = {cell: best_group(groups, analysis) for cell, groups in cells.items()}
    means = {cell: group.summary.mean if group else None for cell, group in best.items()}
    texts = {cell: _cell_text(best[cell], groups) for cell, groups in cells.items()}
    hover = {cell: hover_lines(group) if group else ["no group", "", ""] for cell, group in best.items()}
    trace = {
        "type": "heatmap",
        "x": [safe_text(column, 24) for column in columns],
        "y": [safe_text(row, 24) for row in rows],
        "z": [[means[row, column] for column in columns] for row in rows],
        "text": [[texts[row, column] for column in columns] for row in rows],
        "texttemplate": "%{text}",
        "customdata": [[hover[row, column] for column in columns] for row in rows],
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
        {"x": safe_text(column, 24), "y": safe_text(row, 24), "text": texts[row, column], "showarrow": False}
        for row, column in cells
        if means[row, column] is None and texts[row, column]
    ]
    frame = layout(
        full_text(column_key),
        full_text(row_key),
        height=120 + max(54, min(80, 480 // len(rows))) * len(rows),
        xaxis={"type": "category", "showgrid": False},
        yaxis={"type": "category", "autorange": "reversed", "showgrid": False},
        annotations=notes,
        meta={"min_width": 90 * len(columns) + 90 + 7 * max(len(safe_text(row, 24)) for row in rows)},
    )
    others = [key for key in analysis.keys if key not in axes]
    chosen = f" Each cell shows its best {', '.join(others)} by validation." if others else ""
    return Figure(
        "heatmap",
        f"{_title(row_key)} by {_title(column_key)}",
        f"Mean {metric_title(analysis.metric)} with its 95% confidence interval.{chosen} Best: the best of "
        "all groups; n. s.: not significantly different from it. Means cover the runs that finished and did "
        "better than guessing; the numbers of the others are in the cell.",
        {(): {"data": [trace], "layout": frame}},
        headers=(row_key, column_key, "group", metric_title(analysis.metric), "n", "failed"),
        rows=[
            (
                *cell,
                group.label,
                format_mean(group.summary),
                group.summary.n,
                ", ".join(_failures(cells[cell])),
            )
            for cell, group in best.items()
            if group
        ],
    )


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
