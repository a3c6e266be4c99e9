"""A decision in sentences, and in the terminal."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.text import Text

from abreast.report.example_text import difference_sentences
from abreast.report.formatting import format_count, metric_title
from abreast.report.groups import Analysis
from abreast.runtime.printable import printable
from abreast.statistics.sequential import SequentialInterval
from abreast.study.decide.decision import Decision

VERBS = {
    "better": "is better than",
    "worse": "is worse than",
    "equivalent": "is equivalent to",
    "undecided": "cannot be told apart yet from",
}


def interval_text(interval: SequentialInterval) -> str:
    """Write `difference +0.0031 (95 % interval -0.0012 to 0.0074)`."""
    if interval.mean is None:
        return "no seed with two values"
    text = f"difference {interval.mean:+.4g}"
    if interval.low is None or interval.high is None:
        return f"{text} ({format_count(interval.n, 'seed')}, too few for an interval)"
    return f"{text} (95 % interval {interval.low:+.4g} to {interval.high:+.4g})"


def headline(decision: Decision) -> str:
    """Say the verdict in one sentence."""
    first, second = decision.protocol.settings
    margin = f" (margin {decision.protocol.margin:g})"
    if decision.verdict == "undecided":
        return f"Undecided after {len(decision.pairs.outcomes)} seeds: {second} against {first}{margin}."
    return f"{second} {VERBS[decision.verdict]} {first}{margin}."


def sentences(decision: Decision, analysis: Analysis | None) -> list[str]:
    """Say what the verdict rests on, what limits it, and what to do next."""
    look, protocol = decision.looks[-1], decision.protocol
    title = metric_title(protocol.metric)
    lines = [
        f"{title[:1].upper()}{title[1:]} of {protocol.settings[1]} minus that of {protocol.settings[0]}: "
        f"{interval_text(look.interval)}, n = {look.interval.n} common seeds, "
        f"{format_count(look.wave, 'look')} at the test set."
    ]
    if decision.stopped:
        lines.append(f"Stopped: {decision.stopped}.")
    elif look.verdict == "undecided":
        needed = f"; it would take about {look.needed} if it stays so" if look.needed else ""
        lines.append(
            f"The budget of {protocol.max_seeds} seeds is spent{needed}. The same command with a larger "
            "max_seeds goes on from here; the interval stays valid."
        )
    if analysis is not None:
        lines += [line for task in analysis.tasks for line in difference_sentences(task, analysis)]
    return [*lines, *decision.notes()]


def print_decision(decision: Decision, analysis: Analysis | None, page: Path) -> None:
    """Print the verdict, what it rests on, and the path of the page."""
    console = Console(highlight=False)
    console.print()
    console.print(Text(printable(headline(decision)), style="bold"))
    for line in sentences(decision, analysis):
        console.print(Text(printable(line)))
    console.print(Text(f"\n{printable(str(page))}".strip("\n")), soft_wrap=True)
