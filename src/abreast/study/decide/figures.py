"""The figures of a decision: the interval after each wave, and the difference of each seed."""

from __future__ import annotations

from collections.abc import Sequence

from abreast.config.types import Json
from abreast.report.figures.base import COLORS, GREY, Figure, layout, scatter, six_digits, transparent
from abreast.report.formatting import format_number, metric_title
from abreast.study.decide.decision import Decision, Look


def waves_figure(decision: Decision) -> Figure:
    """Make the figure of the interval after each wave, with both margins."""
    settings, title = decision.protocol.settings, metric_title(decision.protocol.metric)
    lines = [
        _level(decision, level, name, dash)
        for level, name, dash in (
            (decision.protocol.margin, "margin", "dash"),
            (-decision.protocol.margin, "", "dash"),
            (0.0, "no difference", "solid"),
        )
    ]
    frame = layout("seeds", f"difference in {title}", height=440, showlegend=True)
    return Figure(
        "waves-figure",
        "The interval after each wave",
        f"Mean difference in {title}, {settings[1]} minus {settings[0]}, with its interval after each wave, "
        "and the margin on both sides of 0.",
        {(): {"data": [*_intervals(decision.looks), *lines], "layout": frame}},
    )


def _intervals(looks: Sequence[Look]) -> list[Json]:
    """The intervals as a band, and the differences in it."""
    with_interval = [look for look in looks if look.interval.low is not None]
    with_mean = [look for look in looks if look.interval.mean is not None]
    seeds = [look.seeds for look in with_interval]
    band = scatter("lines", line={"width": 1, "color": COLORS[0]}, x=seeds, hoverinfo="skip")
    lows, highs = ([getattr(look.interval, end) for look in with_interval] for end in ("low", "high"))
    return [
        {**band, "name": "low", "y": lows, "showlegend": False},
        {**band, "name": "95 % interval", "y": highs, "fill": "tonexty", "fillcolor": transparent(COLORS[0])},
        scatter(
            "lines+markers",
            name="difference",
            x=[look.seeds for look in with_mean],
            y=[six_digits(look.interval.mean or 0.0) for look in with_mean],
            line={"color": COLORS[0], "width": 2},
            marker={"size": 8},
            customdata=[f"{format_ends(look)}<br>{look.verdict}" for look in with_mean],
            hovertemplate="%{x} seeds: %{y:.4g}<br>%{customdata}<extra></extra>",
        ),
    ]


def _level(decision: Decision, level: float, name: str, dash: str) -> Json:
    """A horizontal line over all waves; one without a name is not in the legend."""
    return scatter(
        "lines",
        name=name,
        showlegend=bool(name),
        x=[0, max(look.seeds for look in decision.looks)],
        y=[level, level],
        line={"color": COLORS[1] if level else GREY, "dash": dash, "width": 1.5},
        hoverinfo="skip",
    )


def seeds_figure(decision: Decision) -> Figure:
    """Make the figure of the difference of each seed."""
    protocol, values = decision.protocol, decision.pairs.values()
    differences = {seed: second - first for seed, (first, second) in values.items()}
    hover = [f"{first:.4f} and {second:.4f}" for first, second in values.values()]
    points: Json = scatter(
        "markers",
        name="difference",
        x=list(differences),
        y=[six_digits(difference) for difference in differences.values()],
        marker={"color": COLORS[0], "size": 7},
        customdata=hover,
        hovertemplate="seed %{x}: %{y:.4g}<br>%{customdata}<extra></extra>",
    )
    line = {"color": GREY, "width": 1.5}
    zero: Json = scatter(
        "lines",
        name="no difference",
        x=[min(differences, default=0), max(differences, default=1)],
        y=[0, 0],
        line=line,
        hoverinfo="skip",
    )
    title = metric_title(protocol.metric)
    frame = layout("seed", f"difference in {title}", height=360)
    return Figure(
        "seeds-figure",
        "The difference of each seed",
        f"Difference in {title} of the two runs of each seed: {' minus '.join(protocol.settings[::-1])}.",
        {(): {"data": [zero, points], "layout": frame}},
        headers=("seed", *protocol.settings, "difference"),
        rows=[
            (seed, format_number(first), format_number(second), format_signed(second - first))
            for seed, (first, second) in values.items()
        ],
    )


def format_ends(look: Look) -> str:
    """Write the ends of a look's interval; a dash where it has none."""
    low, high = look.interval.low, look.interval.high
    return "—" if low is None or high is None else f"{format_signed(low)} to {format_signed(high)}"


def format_signed(value: float | None) -> str:
    """Write a difference with its sign; a dash for none."""
    return "—" if value is None else f"{value:+.4f}"
