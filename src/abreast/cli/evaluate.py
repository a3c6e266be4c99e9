"""`abreast evaluate`: the metrics of a run that is tested again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from abreast.cli.arguments import parse, writing
from abreast.config.types import Json
from abreast.errors import RunError
from abreast.inference.evaluate import evaluate
from abreast.runs.atomic import write_atomically
from abreast.runs.directory import RunDirectory
from abreast.runtime.printable import printable

NARROW = 60  # columns, below which a title is short


def main(argv: Sequence[str] | None = None) -> int:
    """The command `abreast evaluate`."""
    args = parse("evaluate", argv)
    with writing("--examples", args.examples):
        metrics = evaluate(
            args.run,
            checkpoint=args.checkpoint,
            overrides=args.overrides,
            trust=args.trust,
            examples=args.examples,
        )
    before = {} if args.overrides or args.checkpoint else _tested(args.run)
    _print(metrics, before)
    if args.json:
        with writing("--json", args.json):
            write_atomically(args.json, (json.dumps(metrics, indent=2) + "\n").encode())
    return 0


def _tested(run: Path) -> Json:
    try:
        metrics: Json = RunDirectory(run).read_result()["metrics"]
    except RunError:  # it was not tested yet
        return {}
    return metrics


def _number(value: object) -> str:
    """A metric of a result.json, which may hold anything."""
    return f"{value:.7g}" if isinstance(value, int | float) else "—"


def _print(metrics: dict[str, float], before: Json) -> None:
    console = Console()
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("metric", overflow="fold")
    table.add_column("value", justify="right", no_wrap=True)
    if before:
        title = "in result.json" if console.width >= NARROW else "result.json"
        table.add_column(title, justify="right", no_wrap=True)
    for name, value in metrics.items():
        table.add_row(Text(printable(name)), f"{value:.7g}", *([_number(before.get(name))] if before else []))
    console.print(table)
