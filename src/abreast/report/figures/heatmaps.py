"""Figures with cells: loss by optimizer, and the confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from abreast.report import text as words
from abreast.report.cells import axes, best_of
from abreast.report.figures.base import SCALE, Figure, layout, plain, safe
from abreast.report.figures.ranking import distinct, told
from abreast.report.groups import Answer, Group, Task
from abreast.report.settings import text

MOST_CLASSES = 60
MOST_CELLS = 2500


def heat_map(task: Task, found: Answer, suffix: str = "") -> Figure | None:
    """Loss by optimizer: in each cell the group that validated best, with its interval and its failures."""
    spanned = axes(task, found)
    if spanned is None:
        return None
    down, across = spanned
    rows = _ordered([group.settings[down] for group in task.groups])
    columns = _ordered([group.settings[across] for group in task.groups])
    if len(rows) * len(columns) > MOST_CELLS:
        return None
    values: list[list[Any]] = []
    shown: list[list[str]] = []
    details: list[list[list[str]]] = []
    table = []
    for row in rows:
        values.append([])
        shown.append([])
        details.append([])
        for column in columns:
            groups = [
                g for g in task.groups if text(g.settings[down]) == row and text(g.settings[across]) == column
            ]
            best = best_of(groups, found)
            values[-1].append(best.summary.mean if best else None)
            shown[-1].append(_cell(best, groups))
            details[-1].append(told(best, found) if best else ["no group", "", ""])
            if best:
                table.append(
                    (
                        row,
                        column,
                        best.label,
                        words.mean_and_half(best.summary),
                        best.summary.n,
                        _failed(groups),
                    )
                )
    trace = {
        "type": "heatmap",
        "x": [safe(each, 24) for each in columns],
        "y": [safe(each, 24) for each in rows],
        "z": values,
        "text": shown,
        "texttemplate": "%{text}",
        "customdata": details,
        "hovertemplate": "%{customdata[0]}<br>%{customdata[1]}<br>%{customdata[2]}<extra></extra>",
        "colorscale": SCALE,
        "reversescale": not found.higher,
        "hoverongaps": True,
        "xgap": 3,
        "ygap": 3,
        "colorbar": {"thickness": 12, "outlinewidth": 0, "title": {"text": ""}},
    }
    # A cell without a value has no colour of its own: what is said of it stands in the page's colour.
    notes = [
        {"x": safe(column, 24), "y": safe(row, 24), "text": shown[i][j], "showarrow": False}
        for i, row in enumerate(rows)
        for j, column in enumerate(columns)
        if values[i][j] is None and shown[i][j]
    ]
    frame = layout(
        plain(across),
        plain(down),
        height=120 + max(54, min(80, 480 // len(rows))) * len(rows),
        xaxis={"type": "category", "showgrid": False},
        yaxis={"type": "category", "autorange": "reversed", "showgrid": False},
        annotations=notes,
        meta={"min_width": 90 * len(columns) + 130},
    )
    others = [key for key in found.keys if key not in spanned]
    chosen = (
        f" Of several settings of {', '.join(others)} in a cell, the one that validated best."
        if others
        else ""
    )
    return Figure(
        f"map{suffix}",
        f"{_title(down)} by {_title(across)}",
        f"Mean {words.metric_name(found.metric)} ± half of its 95 % interval.{chosen} Best: the winner of "
        "all groups; tie: not to be told from it. Failed runs count in no mean; their number is in the cell.",
        {(): {"data": [trace], "layout": frame}},
        headers=(down, across, "group", words.metric_name(found.metric), "n", "failed"),
        rows=table,
    )


def confusion(
    classes: Sequence[str], matrix: Sequence[Sequence[int]], name: str, suffix: str = ""
) -> Figure | None:
    """The confusion matrix of one run: true classes down, guesses across."""
    if not 1 < len(classes) <= MOST_CLASSES or [len(row) for row in matrix] != [len(classes)] * len(classes):
        return None
    labels = distinct([safe(each, 16) for each in classes])
    shares = [[count / max(1, sum(row)) for count in row] for row in matrix]
    trace = {
        "type": "heatmap",
        "x": labels,
        "y": labels,
        "z": [[share**0.5 for share in row] for row in shares],  # errors are few: else they would not show
        "text": [[str(count) if count else "" for count in row] for row in matrix],
        "texttemplate": "%{text}" if len(classes) <= 25 else "",
        "customdata": [
            [
                [plain(classes[i]), plain(classes[j]), count, share]
                for j, (count, share) in enumerate(zip(row, part, strict=True))
            ]
            for i, (row, part) in enumerate(zip(matrix, shares, strict=True))
        ],
        "hovertemplate": "%{customdata[0]} taken for %{customdata[1]}: %{customdata[2]} "
        "(%{customdata[3]:.1%} of the class)<extra></extra>",
        "colorscale": SCALE,
        "showscale": False,
        "xgap": 1,
        "ygap": 1,
    }
    category = {"type": "category", "showgrid": False}
    frame = layout(
        "guess",
        "true class",
        height=120 + max(26 * len(classes), 160),
        xaxis=category,
        yaxis={**category, "autorange": "reversed"},
        meta={"min_width": 24 * len(classes) + 80, "max_width": 44 * len(classes) + 160},
    )
    wrong = sorted(
        (
            (count, classes[i], classes[j])
            for i, row in enumerate(matrix)
            for j, count in enumerate(row)
            if i != j and count
        ),
        key=lambda each: -each[0],
    )
    return Figure(
        f"confusion{suffix}",
        "Confusion matrix of the best run",
        f"Test rows of run {name}: true classes down, guesses across. Brighter is a larger share of the "
        "true class, by its square root, so that rare mistakes show.",
        {(): {"data": [trace], "layout": frame}},
        headers=("true class", "taken for", "rows"),
        rows=[(true, guess, count) for count, true, guess in wrong[:20]],
    )


def _cell(best: Group | None, groups: Sequence[Group]) -> str:
    if best is None:
        return ""
    failed = _failed(groups)
    if best.summary.mean is None:
        return failed or "no value yet"
    lines = [f"<b>{words.number(best.summary.mean)}</b>"]
    if best.summary.half is not None:
        lines.append(f"± {words.number(best.summary.half)}")
    if best.verdict in ("winner", "tie", "better"):
        lines.append(words.verdict(best))
    return "<br>".join([*lines, *([failed] if failed else [])])


def _failed(groups: Sequence[Group]) -> str:
    failed = sum(group.count("failed") for group in groups)
    return f"{failed} of {sum(len(group.runs) for group in groups)} failed" if failed else ""


def _title(key: str) -> str:
    return {"loss": "Loss", "optim": "optimizer", "optim.lr": "learning rate"}.get(key, key)


def _ordered(values: Sequence[Any]) -> list[str]:
    numbers = all(
        value is None or (isinstance(value, (int, float)) and not isinstance(value, bool)) for value in values
    )
    if numbers:
        values = sorted(values, key=lambda value: (value is not None, value or 0))
    return list(dict.fromkeys(text(value) for value in (values if numbers else sorted(values, key=text))))
