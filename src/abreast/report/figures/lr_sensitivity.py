"""The figure of how much the learning rate matters."""

from __future__ import annotations

from abreast.report import text as words
from abreast.report.figures.base import Figure, Json, layout, line, safe, symbol
from abreast.report.figures.ranking import distinct
from abreast.report.groups import Answer, Group, Task
from abreast.report.settings import text

MOST_LINES = 10


def sensitivity(task: Task, found: Answer, suffix: str = "") -> Figure | None:
    """The final metric by learning rate, a line for each combination of the other settings."""
    key = "optim.lr"
    others = [each for each in found.keys if each != key]
    lines: dict[str, list[Group]] = {}
    for group in task.groups:
        rate = group.settings.get(key)
        if isinstance(rate, (int, float)) and rate > 0:
            lines.setdefault(", ".join(text(group.settings[each]) for each in others) or "all", []).append(
                group
            )
    lines = {name: groups for name, groups in lines.items() if len(groups) > 1}
    if not lines:
        return None
    # In the order of the table, whose first group is the winner.
    shown = dict(list(lines.items())[:MOST_LINES])
    data: list[Json] = []
    rows = []
    for place, (name, groups) in enumerate(
        zip(distinct([safe(each) for each in shown]), shown.values(), strict=True)
    ):
        ordered = sorted(groups, key=lambda group: float(group.settings[key]))
        able = [group for group in ordered if group.summary.mean is not None]
        style = line(place)
        data.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": name,
                "x": [group.settings[key] for group in able],
                "y": [group.summary.mean for group in able],
                "error_y": {
                    "type": "data",
                    "array": [group.summary.half or 0 for group in able],
                    "thickness": 1,
                    "width": 3,
                    "color": style["color"],
                },
                "line": style,
                "marker": {"symbol": symbol(place), "size": 7},
                "customdata": [
                    [words.mean_and_half(g.summary), g.summary.n, g.count("failed")] for g in able
                ],
                "hovertemplate": "lr %{x}: %{customdata[0]}, n = %{customdata[1]}, "
                "%{customdata[2]} failed<extra>" + name + "</extra>",
            }
        )
        rows += [
            (name, text(g.settings[key]), words.mean_and_half(g.summary), g.summary.n, g.count("failed"))
            for g in ordered
        ]
    caption = (
        f"Mean {words.metric_name(found.metric)} over seeds with its 95 % interval, by learning rate. A rate "
        "whose runs all failed has no point."
    )
    if len(lines) > len(shown):
        caption += f" Shown are {len(shown)} of {len(lines)} lines."
    frame = layout(
        "learning rate",
        words.metric_name(found.metric),
        height=440,
        xaxis={"type": "log", "exponentformat": "power"},
        showlegend=True,
    )
    return Figure(
        f"rates{suffix}",
        "Sensitivity to the learning rate",
        caption,
        {(): {"data": data, "layout": frame}},
        headers=("line", "learning rate", words.metric_name(found.metric), "n", "failed"),
        rows=rows,
    )
