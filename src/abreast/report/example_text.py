"""What another test set would change: in sentences, as a section of the page, and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from abreast.report.examples import ExampleEvidence, GroupEvidence, example_evidence
from abreast.report.figures.base import Section
from abreast.report.formatting import format_difference, format_first, format_half, format_number
from abreast.report.groups import Analysis, Task
from abreast.runs.atomic import write_json
from abreast.runs.files import REPORT_EXAMPLES
from abreast.runs.format import with_format
from abreast.statistics.examples import CrossedInterval

MOST_LISTED = 4  # groups in a sentence
MOST_ROWS = 100  # groups in the table


def example_sentences(task: Task, analysis: Analysis) -> list[str]:
    """Say what another test set would change of the best group, and of the differences from it."""
    evidence = example_evidence(task, analysis)
    return [] if evidence is None else _sentences(task, evidence)


def difference_sentences(task: Task, analysis: Analysis) -> list[str]:
    """Say what another test set would change of the difference between a task's two groups."""
    evidence = example_evidence(task, analysis)
    if evidence is None:
        return []
    return [
        f"The interval is for these {evidence.examples} test examples: with a probability of 95 % another "
        f"test set of that size would move the difference in {evidence.title} by no more than "
        f"{format_number(group.difference.move)}."
        for group in evidence.groups
        if group.difference is not None
    ]


def example_section(task: Task, analysis: Analysis) -> Section | None:
    """Make the section with a row for each group; None where no run has kept its outcomes."""
    evidence = example_evidence(task, analysis)
    if evidence is None:
        return None
    paragraphs = [
        f"Each run keeps the outcome of each of the {evidence.examples} test examples. Another test set: if "
        f"the same networks were tested on {evidence.examples} other examples from the same source, the mean "
        "would change by no more than this, with a probability of 95%. Over seeds and examples: the 95% "
        "interval of the mean over other seeds and other examples at once. Differences compare the groups on "
        "the same examples. None of these is corrected for the number of groups.",
    ]
    if not evidence.is_metric:
        paragraphs.append("They are of the mean squared error, which is what the runs keep of an example.")
    if any(group.mean.runs == 1 for group in evidence.groups):
        paragraphs.append("Where a group has one run, its intervals speak of other examples alone.")
    paragraphs += [f"Left out: {label or 'the runs'}: {why}." for label, why in evidence.left_out.items()]
    headers = (
        "group",
        evidence.title,
        "another test set",
        "over seeds and examples",
        "difference from the best",
        "another test set",
        "over seeds and examples",
        "n",
    )
    rows = [
        (
            group.group.label or "all runs",
            format_number(group.mean.mean),
            f"± {format_half(group.mean.move, group.mean.mean)}",
            _interval(group.mean),
            *_difference_cells(group),
            group.mean.runs,
        )
        for group in evidence.groups[:MOST_ROWS]
    ]
    if len(evidence.groups) > MOST_ROWS:
        paragraphs.append(f"{len(evidence.groups) - MOST_ROWS} more groups are in {REPORT_EXAMPLES}.")
    return Section("examples", "Other test examples", paragraphs, headers=headers, rows=rows)


def _sentences(task: Task, evidence: ExampleEvidence) -> list[str]:
    lines = []
    best = next((group for group in evidence.groups if group.group is task.winner), None)
    if best is not None:
        mean = best.mean
        seeds = "seeds and test examples" if mean.runs > 1 else "test examples"
        what = "mean" if mean.runs > 1 else "value"
        lines.append(
            f"Another test set of {evidence.examples} examples would move the {evidence.title} of the best "
            f"group by up to ± {format_half(mean.move, mean.mean)}; the 95% interval of its {what} over "
            f"{seeds} is {_interval(mean)}."
        )
    unsettled = evidence.unsettled()
    if unsettled:
        differences = [
            f"{group.group.label} ({format_difference(group.difference.mean)}, {_interval(group.difference)})"
            for group in unsettled
            if group.difference is not None
        ]
        lines.append(
            f"These {evidence.examples} test examples are too few to say so of others: "
            f"{format_first(differences, MOST_LISTED)} "
            "(difference from the best, and its 95% interval over seeds and examples)."
        )
    return lines


def _difference_cells(group: GroupEvidence) -> Sequence[str]:
    difference = group.difference
    if difference is None:
        return "—", "—", "—"
    return (
        format_difference(difference.mean),
        f"± {format_half(difference.move, 1)}",
        _interval(difference),
    )


def _interval(interval: CrossedInterval) -> str:
    return f"{format_number(interval.low)} to {format_number(interval.high)}"


def write_examples(analysis: Analysis, folder: Path) -> tuple[Path, ...]:
    """Write `examples.json`, the figures of all tasks; remove it where no run has kept its outcomes.

    Args:
        analysis: The analysis.
        folder: The report's directory.

    Returns:
        The file, if there is one.

    Raises:
        OSError: If it cannot be written.
    """
    file = folder / REPORT_EXAMPLES
    evidence = {task.label: example_evidence(task, analysis) for task in analysis.tasks}
    tasks = [{"task": label, **examples.as_json()} for label, examples in evidence.items() if examples]
    if not tasks:
        file.unlink(missing_ok=True)
        return ()
    write_json(file, with_format({"tasks": tasks}))
    return (file,)
