"""The short table at a run's end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text

from abreast.config.types import Json
from abreast.metrics.registry import METRICS, STAGE_TITLES, STAGES, declared, title
from abreast.runs.chance import at_chance, chance_of, judged_stage
from abreast.runs.diagnosis import fitted_level, likely_cause
from abreast.runtime.console import console as standard_console
from abreast.runtime.printable import printable


def _number(value: float) -> str:
    return f"{value:.4f}" if abs(value) < 1e4 else f"{value:.3g}"


def print_summary(path: Path, result: Json, warnings: Sequence[str] = ()) -> None:
    """Print the tested metrics, the time, where the run is, and what is wrong with it."""
    metrics = result["metrics"]
    stages = [stage for stage in STAGES if f"{stage}/loss" in metrics]
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(f"epoch {result['epoch']}")
    for stage in stages:
        table.add_column(stage, justify="right")
    for metric in (*METRICS, *declared()):
        values = [metrics.get(f"{stage}/{metric.name}") for stage in stages]
        if any(value is not None for value in values):
            table.add_row(metric.short_title, *("" if value is None else _number(value) for value in values))
    console = standard_console()
    console.print(table)
    for name, value in result["facts"].items():
        console.print(Text(printable(f"{name.replace('_', ' ')}: {value:.4g}")))
    line = Text(f"{result['seconds']:.1f} s, seed {result['seed']}, in ")
    console.print(line.append(printable(str(path)), style="bold"), soft_wrap=True)
    for warning in warnings:
        console.print(
            Text("Warning: ", style="bold").append(printable(warning), style="not bold"), soft_wrap=True
        )


def chance_warnings(
    result: Json, settings: Mapping[str, object], curve: Mapping[str, Sequence[float]]
) -> list[str]:
    """Say that a run did no better than guessing, and why that is likely.

    Args:
        result: The content of result.json.
        settings: `loss`, `optim` and `optim.lr`, for the likely cause.
        curve: The columns of metrics.csv.

    Returns:
        The sentences; none for a run that did better, or whose level of chance is not known.
    """
    chance, stage = chance_of(result), judged_stage(result)
    if at_chance(result, "accuracy"):
        metric = f"{stage}/accuracy"
    elif at_chance(result, "r2"):
        metric = f"{stage}/r2"
    else:
        return []
    value = f"{STAGE_TITLES[stage]} {title(metric)} {result['metrics'][metric]:.4f}"
    if metric.endswith("/r2") or chance is None:
        finding = f"{value} is no better than predicting the mean of the targets."
        return [f"{finding} {likely_cause(settings, curve)}"]
    finding = (
        f"{value} is at chance: with {chance.examples} {STAGE_TITLES[stage]} examples, guessing "
        f"reaches up to {chance.limit:.4f}."
    )
    return [f"{finding} {likely_cause(settings, curve, fitted=fitted_level(chance))}"]
