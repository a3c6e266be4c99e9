"""The page's sections in words: the result, the best run, the runs that are not included, the provenance."""

from __future__ import annotations

from collections.abc import Sequence

from abreast.report.figures.base import Figure
from abreast.report.formatting import format_number, metric_title
from abreast.report.groups import Analysis, Task
from abreast.report.html.elements import Part, escaped, figure_html, paragraphs, static_table
from abreast.report.html.worst_images import worst_images
from abreast.report.provenance import commands, run_versions
from abreast.report.run import Run
from abreast.report.settings import settings_label
from abreast.report.tables import command_line
from abreast.report.text import exclusion_reason, findings, headline, repeated

MOST_REASONS = 50
MOST_NAMES = 8  # runs that are named for a reason


def result_part(analysis: Analysis) -> Part:
    """Make the section that comes first: the best group of each task, and how many runs there are."""
    body = ""
    for task in analysis.tasks:
        if task.label:
            body += f"<h3>{escaped(task.label)}</h3>"
        body += f'<p class="lead">{escaped(headline(task, analysis))}</p>'
        body += paragraphs(findings(task, analysis))
    body += paragraphs(analysis.notes)
    if not analysis.tasks:
        body = '<p class="lead">None of the runs can be read.</p>'
    counts = "".join(
        f'<li class="{escaped(status.replace(" ", "-"))}">{count} {escaped(status)}</li>'
        for status, count in analysis.sweep.counts().items()
    )
    return Part("result", "Result", "Result", f'{body}<ul class="counts">{counts}</ul>', "result")


def best_run_html(task: Task, analysis: Analysis, figures: Sequence[Figure]) -> str:
    """Describe the best run of the best group, with its figures and its worst-classified images."""
    winner = task.winner
    run = winner.best_run(analysis.higher_is_better) if winner else None
    if run is None:
        return ""
    body = paragraphs(
        [
            f"The run of the best group with the best {metric_title(analysis.selection or analysis.metric)}: "
            f"{run.name} ({settings_label(run.settings)} seed={run.seed}), "
            f"{metric_title(analysis.metric)} {format_number(run.metrics.get(analysis.metric))}."
        ]
    )
    body += "".join(map(figure_html, figures))
    images = worst_images(run.path)
    if images:
        body += "<h3>Worst-classified images of the best run</h3>" + paragraphs(
            ["The test examples to whose true class the run assigned the lowest probability (softmax)."]
        )
        body += images
    return body


def excluded_part(analysis: Analysis) -> Part:
    """Make the section with the runs that no mean includes, by reason."""
    title = "Runs that are not included"
    excluded = analysis.excluded_runs()
    if not excluded:
        return Part("excluded", title, "", "<p>None: all runs finished.</p>")
    names_by_reason: dict[str, list[str]] = {}
    for run in excluded:
        names_by_reason.setdefault(_common_reason(run, analysis), []).append(run.name)
    rows = [
        (reason, len(names), _some(names))
        for reason, names in sorted(names_by_reason.items(), key=lambda item: -len(item[1]))
    ]
    body = paragraphs(
        ["No mean includes these runs. The table of all runs lists each of them with its reason."]
    )
    caption = f"{len(excluded)} of {len(analysis.sweep.runs)} runs"
    body += static_table(("reason", "number of runs", "runs"), rows[:MOST_REASONS], caption)
    return Part("excluded", title, "Not included", body)


def provenance_part(analysis: Analysis) -> Part:
    """Make the section with the commands that trained the runs and the versions they were trained with."""
    body = "<h3>Commands</h3>"
    for source, command in commands(analysis.sweep):
        body += f'<p class="soft">{escaped(source)}</p><pre>{escaped(command)}</pre>'
    for task in analysis.tasks:
        run = task.winner.best_run(analysis.higher_is_better) if task.winner else None
        if run and run.overrides:
            body += f'<p class="soft">Only the best run, {escaped(run.name)}</p>'
            body += f"<pre>{escaped(command_line(run.overrides))}</pre>"
    versions = run_versions(analysis.sweep)
    if versions:
        items = "".join(f"<li>{escaped(package)} {escaped(version)}</li>" for package, version in versions)
        body += f'<h3>Versions that the runs were trained with</h3><ul class="versions">{items}</ul>'
    return Part("provenance", "How to reproduce it", "Commands", body)


def _common_reason(run: Run, analysis: Analysis) -> str:
    """The reason without what differs from run to run."""
    if run.duplicate_of:
        return f"{repeated(run)} as another run, which is counted instead"
    if run.status == "failed" and run.reason.startswith("diverged"):
        return "failed: diverged (the training loss was not finite)"
    if run.status == "dropped":
        return "dropped by successive halving; the table of all runs has the value of the last epoch"
    return "running" if run.status == "running" else exclusion_reason(run, analysis)


def _some(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
