"""A study in the terminal: cells by their test score, what was chosen for them, and the warnings."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table

from abreast.study.results import Findings
from abreast.study.selection import shown

WIDTH = 140  # where nothing says how wide the terminal is


def print_findings(found: Findings, page: Path) -> None:
    """Print the table of a finished study, its warnings and where everything is."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=WIDTH)
    console.print()
    console.print(_table(found))
    plan = found.protocol
    console.print(
        f"Tuned by {found.choices[0].metric} on {_seeds(plan.tune_seeds)}, {plan.trials} trials a cell; "
        f"tested once on {_seeds(plan.repeat_seeds)}.\nMean ± 95 % interval. Reference: the cell that "
        "validated best while tuning. Best: all that are not shown to be worse than it (Holm-corrected).",
        soft_wrap=True,
    )
    if found.warnings:
        console.print("\n[bold]Warnings[/bold]")
        for line in found.warnings:
            console.print(f"  {line}", soft_wrap=True, markup=False)
    console.print(f"\n{page}", soft_wrap=True, markup=False)


def _table(found: Findings) -> Table:
    plan, metric = found.protocol, found.metric
    table = Table(box=None, pad_edge=False, header_style="bold")
    for key in plan.cells[0].parts:
        table.add_column(key, overflow="fold")
    table.add_column("chosen", overflow="fold")
    validation = found.choices[0].metric
    for title in (validation, metric, "n", ""):
        table.add_column(title, justify="right" if title else "left", no_wrap=True)
    for at in found.order():
        choice = found.choices[at]
        best = choice.best
        mean, n, mark = "", "0", "failed"
        if found.verdict is not None and found.verdict.summaries[at].mean is not None:
            each = found.verdict.summaries[at]
            half = f" ± {each.half:.4f}" if each.half is not None else ""
            mean, n = f"{each.mean:.4f}{half}", str(each.n)
            ranking = found.verdict.rankings[at]
            mark = "best" if choice.cell.name in ranking.best else ""
            mark += ", reference" * (choice.cell.name == ranking.winner)
        chosen = (
            shown({key.rpartition(".")[2]: value for key, value in best.setting.items()}) if best else "-"
        )
        value = f"{best.value:.4f}" if best and best.value is not None else "-"
        table.add_row(*choice.cell.parts.values(), chosen, value, mean, n, mark)
    return table


def _seeds(seeds: tuple[int, ...]) -> str:
    return f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"
