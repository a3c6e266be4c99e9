"""The confusion matrix of the best run."""

from __future__ import annotations

from typing import Any

from abreast.report.figures.base import (
    COLORSCALE,
    Figure,
    FigureOptions,
    full_text,
    layout,
    safe_text,
    unique_names,
)
from abreast.report.groups import Analysis, Task

MOST_CLASSES = 60
MOST_ERRORS = 20  # in the table
MOST_LABELLED = 25  # classes of a matrix whose cells show their counts


def confusion_matrix(task: Task, analysis: Analysis, options: FigureOptions) -> Figure | None:
    """Make the matrix: true classes in rows, predictions in columns, for the test examples."""
    run = task.winner.best_run(analysis.higher_is_better) if task.winner else None
    if run is None:
        return None
    matrix = run.result.get("confusion") or []
    classes = run.result.get("classes", [])
    if not 1 < len(classes) <= MOST_CLASSES or [len(row) for row in matrix] != [len(classes)] * len(classes):
        return None
    category = {"type": "category", "showgrid": False}
    frame = layout(
        "predicted class",
        "true class",
        height=120 + max(26 * len(classes), 160),
        xaxis=category,
        yaxis={**category, "autorange": "reversed"},
        meta={"min_width": 24 * len(classes) + 80, "max_width": 44 * len(classes) + 160},
    )
    return Figure(
        "confusion",
        "Confusion matrix of the best run",
        f"Test examples of run {run.name}: true classes in rows, predicted classes in columns. The colour is "
        "the square root of the share of the true class, so that rare errors are visible.",
        {(): {"data": [_cells(matrix, classes)], "layout": frame}},
        headers=("true class", "predicted class", "examples"),
        rows=_most_frequent_errors(matrix, classes),
    )


def _cells(matrix: list[list[int]], classes: list[str]) -> dict[str, Any]:
    """The heatmap of Plotly, coloured by the shares of the true classes."""
    labels = unique_names([safe_text(name, 16) for name in classes])
    shares = [[count / max(1, sum(row)) for count in row] for row in matrix]
    return {
        "type": "heatmap",
        "x": labels,
        "y": labels,
        "z": [[share**0.5 for share in row] for row in shares],  # the square root makes rare errors visible
        "text": [[str(count) if count else "" for count in row] for row in matrix],
        "texttemplate": "%{text}" if len(classes) <= MOST_LABELLED else "",
        "customdata": [
            [
                [full_text(classes[i]), full_text(classes[j]), count, share]
                for j, (count, share) in enumerate(zip(row, row_shares, strict=True))
            ]
            for i, (row, row_shares) in enumerate(zip(matrix, shares, strict=True))
        ],
        "hovertemplate": "%{customdata[0]} predicted as %{customdata[1]}: %{customdata[2]} "
        "(%{customdata[3]:.1%} of the class)<extra></extra>",
        "colorscale": COLORSCALE,
        "showscale": False,
        "xgap": 1,
        "ygap": 1,
    }


def _most_frequent_errors(matrix: list[list[int]], classes: list[str]) -> list[tuple[str, str, int]]:
    """True class, predicted class and examples."""
    errors = [
        (classes[i], classes[j], count)
        for i, row in enumerate(matrix)
        for j, count in enumerate(row)
        if i != j and count
    ]
    return sorted(errors, key=lambda error: -error[2])[:MOST_ERRORS]
