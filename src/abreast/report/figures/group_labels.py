"""How figures name a group, and what they tell about it on hovering."""

from __future__ import annotations

from abreast.report.figures.base import full_text
from abreast.report.formatting import (
    format_failed,
    format_mean,
    format_p_value,
    format_sample_size,
    verdict_label,
)
from abreast.report.groups import Analysis, Group
from abreast.report.settings import ABSENT, format_setting


def short_label(group: Group, analysis: Analysis) -> str:
    """Name a group by its values alone: `cross_entropy, adam, lr=0.01`."""
    values = []
    for key in analysis.keys:
        value = group.settings[key]
        if value is not ABSENT:
            is_option = isinstance(value, str) and "." not in key
            text = format_setting(value)
            values.append(text if is_option else f"{key.split('.')[-1]}={text}")
    return ", ".join(values) or "all runs"


def hover_lines(group: Group) -> list[str]:
    """Tell a group's settings, its mean with interval, and its comparison with the winner, a line each."""
    p = group.comparison.p_adjusted if group.comparison else None
    corrected = f", corrected p {full_text(format_p_value(p))}" if p is not None else ""
    failures = format_failed(group)
    failed = f", {failures} runs failed" if failures else ""
    return [
        full_text(group.label),
        f"{format_mean(group.summary)}, {format_sample_size(group.summary.n, group.unit)}{failed}",
        verdict_label(group) + corrected,
    ]
