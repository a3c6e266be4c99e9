"""Figures of the final metric: the groups in order with their intervals."""

from __future__ import annotations

from collections.abc import Sequence

from abreast.report import text as words
from abreast.report.figures.base import COLORS, GREY, Figure, Json, plain, rows_layout, safe
from abreast.report.groups import Answer, Group, Task
from abreast.report.settings import text

FEW_GROUPS = 15
MOST_GROUPS = 40


def ranking(task: Task, found: Answer, suffix: str = "") -> Figure | None:
    """Every group's mean with its interval, the best at the top."""
    able = [group for group in task.groups if group.summary.mean is not None]
    groups = able[:MOST_GROUPS]
    if len(groups) < 2:
        return None
    shown = {f"first {count}": groups[:count] for count in (FEW_GROUPS, len(groups)) if count < len(groups)}
    shown["all" if len(able) == len(groups) else f"first {len(groups)}"] = groups
    variants: dict[tuple[str, ...], Json] = {(name,): _in_order(part, found) for name, part in shown.items()}
    caption = (
        f"Mean {words.metric_name(found.metric)} over seeds; the bar is the 95 % interval of the mean (none "
        "for one seed). Overlapping bars do not decide: the corrected p in the table does."
    )
    if len(able) > len(groups):
        caption += f" {len(able) - len(groups)} more groups are in the table."
    return Figure(
        f"ranking{suffix}",
        "Groups in order",
        caption,
        variants,
        (("Show", list(shown)),),
        ("group", words.metric_name(found.metric), "95 % interval", "n", "against the best"),
        [
            (
                short(group, found),
                words.number(group.summary.mean),
                words.interval(group.summary),
                group.summary.n,
                words.verdict(group),
            )
            for group in groups
        ],
    )


def _in_order(groups: Sequence[Group], found: Answer) -> Json:
    """The plotly figure of these groups."""
    names = distinct([safe(short(group, found), 48) for group in groups])
    parts = [
        ("the winner", ("winner",), COLORS[0], "star", 14),
        ("not to be told from it", ("tie", "better", "untested"), COLORS[0], "circle", 9),
        ("shown to be worse", ("worse",), GREY, "diamond-open", 9),
    ]
    data = []
    for name, verdicts, color, marker, size in parts:
        chosen = [(group, y) for group, y in zip(groups, names, strict=True) if group.verdict in verdicts]
        if not chosen:
            continue
        bars = [group.summary.half or 0 for group, _ in chosen]
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": name,
                "x": [group.summary.mean for group, _ in chosen],
                "y": [y for _, y in chosen],
                "error_x": {"type": "data", "array": bars, "thickness": 1.6, "width": 4, "color": color},
                "marker": {"color": color, "size": size, "symbol": marker},
                "customdata": [told(group, found) for group, _ in chosen],
                "hovertemplate": "%{customdata[0]}<br>%{customdata[1]}<br>%{customdata[2]}<extra></extra>",
            }
        )
    return {"data": data, "layout": rows_layout(words.metric_name(found.metric), names)}


def short(group: Group, found: Answer) -> str:
    """A group by its values alone, which the table's columns name: `cross_entropy, adam, 0.01`."""
    values = []
    for key in found.keys:
        value = group.settings[key]
        if value is not None:
            is_named = isinstance(value, str) and "." not in key
            values.append(text(value) if is_named else f"{key.split('.')[-1]}={text(value)}")
    return ", ".join(values) or "all runs"


def told(group: Group, found: Answer) -> list[str]:
    p = group.comparison.p_holm if group.comparison else None
    told = words.verdict(group) + (f", p (Holm) {plain(words.p_value(p))}" if p is not None else "")
    failed = f", {group.count('failed')} of {len(group.runs)} runs failed" if group.count("failed") else ""
    return [
        plain(group.label),
        f"{words.mean_and_half(group.summary)}, {words.seeds(group.summary.n)}{failed}",
        told,
    ]


def distinct(names: Sequence[str]) -> list[str]:
    """Names that were cut may be equal: numbered then, as one place on an axis is one name."""
    seen: dict[str, int] = {}
    found = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return found
