"""The groups by their mean rank over data sets, with the critical difference."""

from __future__ import annotations

import math

from abreast.config.types import Json
from abreast.report.figures.base import (
    COLORS,
    GREY,
    Figure,
    layout,
    safe_text,
    scatter,
    six_digits,
    unique_names,
)
from abreast.statistics.dataset_ranks import DatasetRanks

MOST_GROUPS = 40
LABEL = 48  # characters
GAP = 0.06  # between two bars, as a share of the axis of ranks


def critical_difference(ranks: DatasetRanks[str, str]) -> Figure | None:
    """Make the critical-difference figure (Demšar 2006, JMLR 7, 1-30); None where nothing was tested."""
    difference = ranks.critical_difference
    if difference is None:
        return None
    groups = ranks.groups[:MOST_GROUPS]
    names = unique_names([safe_text(group, LABEL) for group in groups])
    means = [six_digits(float(mean)) for mean in ranks.mean_ranks[: len(groups)]]
    caption = (
        f"Mean rank over {len(ranks.datasets)} data sets; 1 is best. The bars on the right join groups that "
        "do not differ significantly: their mean ranks are closer than the critical difference "
        f"{difference:.2f} (Nemenyi's test, 5%, for all pairs of groups), which is drawn at the top."
    )
    if len(groups) < len(ranks.groups):
        caption += f" {len(ranks.groups) - len(groups)} more groups are in the table."
    return Figure(
        "critical-difference",
        "Critical difference",
        caption,
        {(): _drawn(names, means, difference, [pair for pair in ranks.alike if pair[0] < len(groups)])},
        headers=("group", "mean rank"),
        rows=[(group, f"{mean:.2f}") for group, mean in zip(groups, means, strict=True)],
    )


def _drawn(names: list[str], means: list[float], difference: float, alike: list[tuple[int, int]]) -> Json:
    count, right = len(names), max(len(names), max(means))
    data: list[Json] = [
        scatter(
            "lines+text",
            text=["", f" critical difference {difference:.2f}"],
            textposition="middle right",
            x=[1, six_digits(1 + difference)],
            y=[-0.9, -0.9],
            line={"color": GREY, "width": 3},
            hovertemplate=f"critical difference {difference:.2f}<extra></extra>",
        )
    ]
    bars = [six_digits(right + GAP * (right - 1) * number) for number in range(1, len(alike) + 1)]
    data += [
        scatter(
            "lines",
            x=[x, x],
            y=[first - 0.2, min(last, count - 1) + 0.2],
            line={"color": COLORS[1], "width": 5},
            hovertemplate=f"{last - first + 1} groups that do not differ significantly<extra></extra>",
        )
        for x, (first, last) in zip(bars, alike, strict=True)
    ]
    data.append(
        scatter(
            "markers",
            x=means,
            y=list(range(count)),
            marker={"color": COLORS[0], "size": 10},
            customdata=names,
            hovertemplate="%{customdata}<br>mean rank %{x:.2f}<extra></extra>",
        )
    )
    rows = {
        "tickvals": list(range(count)),
        "ticktext": names,
        "range": [count - 0.4, -1.5],
        "title": {"text": ""},
        "tickfont": {"size": 12},
    }
    ticks = {
        "range": [0.9, six_digits(right + GAP * (right - 1) * (len(bars) + 0.7))],
        "tickvals": list(range(1, math.ceil(right) + 1, max(1, count // 12))),
    }
    return {
        "data": data,
        "layout": layout("mean rank", "", height=150 + 26 * count, xaxis=ticks, yaxis=rows),
    }
