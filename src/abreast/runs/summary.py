"""The short table at a run's end."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table

from abreast.config.types import Json
from abreast.metrics.registry import METRICS, STAGES


def _number(value: float) -> str:
    return f"{value:.4f}" if abs(value) < 1e4 else f"{value:.3g}"


def print_summary(path: Path, result: Json) -> None:
    """Print the tested metrics, the time and where the run is."""
    metrics = result["metrics"]
    stages = [stage for stage in STAGES if f"{stage}/loss" in metrics]
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(f"epoch {result['epoch']}")
    for stage in stages:
        table.add_column(stage, justify="right")
    for metric in METRICS:
        values = [metrics.get(f"{stage}/{metric.name}") for stage in stages]
        if any(value is not None for value in values):
            table.add_row(metric.short_title, *("" if value is None else _number(value) for value in values))
    console = Console(highlight=False)
    console.print(table)
    for name, value in result["facts"].items():
        console.print(f"{name.replace('_', ' ')}: {value:.4g}")
    console.print(f"{result['seconds']:.1f} s, seed {result['seed']}, in [bold]{path}[/bold]", soft_wrap=True)
