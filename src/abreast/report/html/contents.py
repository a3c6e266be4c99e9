"""What stands on the page, in its order: the answer first, then what it rests on, then how it was made."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from abreast.report import provenance
from abreast.report import text as words
from abreast.report.figures.base import Figure, Section
from abreast.report.figures.curves import learning_curves
from abreast.report.figures.heatmaps import confusion, heat_map
from abreast.report.figures.lr_sensitivity import sensitivity
from abreast.report.figures.ranking import ranking
from abreast.report.figures.time_to_target import find_target, to_target
from abreast.report.groups import Answer, Task, left_out
from abreast.report.html.page import (
    Column,
    Part,
    Table,
    escaped,
    figure_html,
    page,
    paragraphs,
    section_part,
    static_table,
    table_html,
)
from abreast.report.html.worst_images import worst_images
from abreast.report.settings import label, text
from abreast.report.tables import command, why

MOST_FIGURES = 8  # tasks that get figures: more are in the table


@dataclass(frozen=True)
class Contents:
    """A page's parts and what they hold; `figures` are also what is exported."""

    parts: Sequence[Part]
    figures: Sequence[Figure]
    tables: Sequence[Table]


def contents(found: Answer, *, target: float | None = None, extra: Sequence[Section] = ()) -> Contents:
    """Everything on the page."""
    figures: list[Figure] = [figure for section in extra for figure in section.figures]
    runs, places = _runs_table(found)
    tables = [runs]
    parts = [_answer(found)]
    parts += [section_part(section) for section in extra if section.place == "top"]
    several = len(found.tasks) > 1
    for number, task in enumerate(found.tasks):
        suffix = f"-{number + 1}" if several else ""
        where = f": {task.label}" if task.label else ""
        table = _groups_table(task, found, places, suffix)
        tables.append(table)
        parts.append(
            Part(f"table{suffix}", f"All groups{where}", "" if number else "Table", table_html(table))
        )
        if number >= MOST_FIGURES:
            continue
        for id_, title, short, made in _figures(task, found, suffix, target):
            if made:
                body = "".join(figure_html(each, heading=len(made) > 1) for each in made)
                parts.append(Part(f"{id_}{suffix}", f"{title}{where}", "" if number else short, body))
                figures += made
        parts += _best_run(task, found, suffix, where, figures, number)
    parts += [section_part(section) for section in extra if section.place != "top"]
    parts += [_left_out(found), Part("runs", "All runs", "Runs", table_html(runs)), _made(found)]
    return Contents([each for each in parts if each.body], figures, tables)


def render(found: Answer, made: Contents) -> str:
    """The page as HTML."""
    names = [directory.resolve().name for directory in found.sweep.directories]
    counts = ", ".join(f"{count} {status}" for status, count in found.sweep.counts().items())
    now = time.strftime("%Y-%m-%d %H:%M")
    subtitle = f"{len(found.sweep.runs)} runs ({counts}) in {len(found.groups)} groups; read at {now}"
    versions = ", ".join(f"{name} {version}" for name, version in provenance.own_versions())
    return page(
        " and ".join(names), subtitle, made.parts, made.figures, made.tables, f"Made with {versions}."
    )


def _answer(found: Answer) -> Part:
    body = ""
    for task in found.tasks:
        if task.label:
            body += f"<h3>{escaped(task.label)}</h3>"
        body += f'<p class="lead">{escaped(words.headline(task, found))}</p>'
        body += paragraphs(words.sentences(task, found))
    if not found.tasks:
        body = f'<p class="lead">{escaped("No run could be read.")}</p>'
    counts = "".join(
        f'<li class="{escaped(status.replace(" ", "-"))}">{count} {escaped(status)}</li>'
        for status, count in found.sweep.counts().items()
    )
    return Part("answer", "The answer", "Answer", f'{body}<ul class="counts">{counts}</ul>', "answer")


def _figures(
    task: Task, found: Answer, suffix: str, target: float | None
) -> list[tuple[str, str, str, list[Figure]]]:
    level = find_target(task, found, target)
    overview = [heat_map(task, found, suffix), ranking(task, found, suffix)]
    parts: list[tuple[str, str, str, list[Figure | None]]] = [
        ("final", "Final results", "Results", overview),
        ("learning", "Learning curves", "Curves", [learning_curves(task, found, suffix)]),
        ("sensitivity", "Sensitivity to the learning rate", "Rates", [sensitivity(task, found, suffix)]),
        (
            "speed",
            "Epochs and time to a target",
            "Target",
            [to_target(task, found, level, suffix) if level else None],
        ),
    ]
    return [(id_, title, short, [each for each in made if each]) for id_, title, short, made in parts]


def _best_run(
    task: Task, found: Answer, suffix: str, where: str, figures: list[Figure], number: int
) -> list[Part]:
    winner = task.winner
    run = winner.best_run(found.higher) if winner else None
    if run is None:
        return []
    how = f"The run of the winning group that is best by {words.metric_name(found.selection or found.metric)}"
    line = f"{how}: {run.name} ({label(run.settings)} seed={run.seed}), {words.metric_name(found.metric)} "
    body = paragraphs([line + f"{words.number(run.metrics.get(found.metric))}."])
    classes, matrix = run.result.get("classes"), run.result.get("confusion")
    if _is_matrix(classes, matrix):
        figure = confusion([str(each) for each in classes or ()], matrix or (), run.name, suffix)
        if figure:
            figures.append(figure)
            body += figure_html(figure)
    images = worst_images(run.path)
    if images:
        body += (
            "<h3>Worst-classified images of the best run</h3>"
            + paragraphs(
                ["The test rows whose true class was held least probable, by the softmax of the scores."]
            )
            + images
        )
    return [Part(f"best{suffix}", f"The best run{where}", "" if number else "Best run", body)]


def _is_matrix(classes: Any, matrix: Any) -> bool:
    return (
        isinstance(classes, list)
        and isinstance(matrix, list)
        and all(isinstance(row, list) and all(type(each) is int for each in row) for row in matrix)
    )


def _groups_table(task: Task, found: Answer, places: dict[int, int], suffix: str) -> Table:
    metric = words.metric_name(found.metric)
    failures = any(group.count("failed") for group in task.groups)
    columns = [
        *(Column(key) for key in found.keys),
        Column("verdict", "text", "tie: cannot be told apart from the best"),
        Column(metric, "number", "mean over the seeds that finished"),
        Column("±", "number", "half of the 95 % interval of the mean (Student's t)"),
        Column("n", "count", "seeds that finished"),
        Column("failed", "count", "runs that failed", bad=True),
        *(
            [Column("failure rate", "share", "failed among the runs that ended", bad=True)]
            if failures
            else []
        ),
        Column("p (Holm)", "p", "two-sided, corrected for all comparisons with the best"),
        Column("difference", "number", f"{metric} less that of the best"),
        *(
            [Column("validation", "number", "the same metric on the validation rows")]
            if found.selection
            else []
        ),
        Column("sd", "number", "standard deviation over seeds"),
        Column("time", "seconds", "mean over the runs that finished"),
        Column("test"),
    ]
    rows = []
    for group in task.groups:
        s, c = group.summary, group.comparison
        rows.append(
            [
                *(_typed(group.settings[key]) for key in found.keys),
                *(words.verdict(group), _brief(s.mean), _brief(s.half), s.n, group.count("failed")),
                *([_brief(group.failure_rate)] if failures else []),
                *(_brief(c.p_holm) if c else None, _brief(c.difference) if c else None),
                *([_brief(group.chosen.mean)] if found.selection else []),
                *(_brief(s.sd), _brief(group.seconds)),
                words.test_name(c) if c and c.p is not None else "",
            ]
        )
    details = [[places[id(run)] for run in group.runs] for group in task.groups]
    caption = "Runs that differ in the seed alone"
    return Table(
        f"groups{suffix}",
        caption,
        columns,
        rows,
        len(found.keys),
        [group.verdict if group.summary.n else "none" for group in task.groups],
        details,
    )


def _runs_table(found: Answer) -> tuple[Table, dict[int, int]]:
    columns = [
        *(Column(key) for key in found.sweep.varied),
        Column("seed", "count"),
        Column("status"),
        Column(words.metric_name(found.metric), "number"),
        *([Column("validation", "number")] if found.selection else []),
        Column("epoch", "count", "of the weights that were tested"),
        Column("time", "seconds"),
        Column("note"),
        Column("directory"),
    ]
    rows: list[list[Any]] = []
    places = {}
    for place, run in enumerate(found.sweep.runs):
        places[id(run)] = place
        metrics = [run.metrics.get(name) for name in (found.metric, found.selection) if name]
        note = why(run, found) if run.repeats or found.metric not in run.metrics else ""
        epoch = run.result.get("epoch")
        rows.append(
            [
                *(_typed(run.settings.get(key)) for key in found.sweep.varied),
                *(run.seed, run.status, *map(_brief, metrics)),
                *(epoch if isinstance(epoch, int) else None, run.seconds),
                *(note.removeprefix(f"{run.status}: "), run.name),
            ]
        )
    return Table("runs", "A row a run", columns, rows, len(found.sweep.varied) + 1), places


def _left_out(found: Answer) -> Part:
    out = left_out(found)
    if not out:
        return Part("out", "Runs that are not in the table", "", "<p>None: all runs finished.</p>")
    reasons: dict[str, list[str]] = {}
    for run in out:
        reasons.setdefault(_kind(run, found), []).append(run.name)
    rows = [
        (reason, len(names), ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else ""))
        for reason, names in sorted(reasons.items(), key=lambda each: -len(each[1]))
    ]
    body = paragraphs(["No mean counts them. Every one stands with its reason in the table of all runs."])
    table = static_table(("why", "runs", "which"), rows[:50], f"{len(out)} of {len(found.sweep.runs)} runs")
    return Part("out", "Runs that are not in the table", "Left out", body + table)


def _kind(run: Any, found: Answer) -> str:
    if run.repeats:
        return "the settings and the seed of another run: counted once"
    if run.status == "failed" and run.reason.startswith("diverged"):
        return "failed: diverged (the training loss was not finite)"
    return "running" if run.status == "running" else why(run, found)


def _made(found: Answer) -> Part:
    body = "<h3>Commands</h3>"
    for where, line in provenance.commands(found.sweep):
        body += f'<p class="soft">{escaped(where)}</p><pre>{escaped(line)}</pre>'
    best = [group for task in found.tasks for group in [task.winner] if group]
    for group in best:
        run = group.best_run(found.higher)
        if run and run.overrides:
            body += f'<p class="soft">The best run, {escaped(run.name)}, alone</p>'
            body += f"<pre>{escaped(command(run.overrides))}</pre>"
    versions = provenance.run_versions(found.sweep)
    if versions:
        items = "".join(f"<li>{escaped(name)} {escaped(version)}</li>" for name, version in versions)
        body += f'<h3>Versions that made the runs</h3><ul class="versions">{items}</ul>'
    return Part("made", "How it was made", "Commands", body)


def _typed(value: Any) -> Any:
    """A number that sorts as one, or text."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return value if number and abs(value) < float("inf") else "" if value is None else text(value)


def _brief(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.7g}")
