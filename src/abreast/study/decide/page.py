"""A decision's page: the verdict, the interval after each wave, the difference of each seed, and the runs."""

from __future__ import annotations

import time
from pathlib import Path

from abreast.errors import RunError
from abreast.report.analysis import analyse
from abreast.report.collect import collect
from abreast.report.figures.base import Section
from abreast.report.groups import Analysis
from abreast.report.html.elements import Part, Table, escaped, paragraphs, section_part, table_html
from abreast.report.html.page import page
from abreast.report.html.sections import provenance_part
from abreast.report.html.tables import runs_table as runs_html_table
from abreast.report.provenance import made_with
from abreast.report.tables import runs_table
from abreast.runs.atomic import write_atomically
from abreast.runs.files import REPORT, REPORT_PAGE, REPORT_RUNS
from abreast.statistics.sequential import PRIOR_PRECISION
from abreast.study.decide.decision import Decision
from abreast.study.decide.figures import format_ends, format_signed, seeds_figure, waves_figure
from abreast.study.decide.terminal import headline, sentences

METHOD = (
    "The interval is a confidence sequence: with a probability of at least 95 % it covers the true mean "
    "difference after all waves at once, so looking after each wave, stopping early and adding seeds later "
    "do not make it wrong. It inverts the t-test by mixture of Lai (1976) and Wang and Ramdas (2024, arXiv "
    f"2310.03722; prior variance 1/{PRIOR_PRECISION:g}), and is wider than Student's interval for a single "
    "look. It is exact for normal differences, and widened where they are skewed (Hall 1992); the "
    "documentation says how it behaves for others.",
    "It speaks of the mean over seeds with these settings, data and test examples, not of other data.",
)


def write_decision_page(decision: Decision, analysis: Analysis | None) -> Path:
    """Write report.html and runs.csv to `report` in the decision's directory.

    Args:
        decision: A decision with at least one look.
        analysis: Of its runs; None without any.

    Returns:
        The path of the page.
    """
    folder = decision.directory / REPORT
    sections = [
        _waves_section(decision),
        Section("seeds", "Seed by seed", figures=[seeds_figure(decision)]),
        Section("method", "How it decides", METHOD),
    ]
    parts = [_verdict_part(decision, analysis), *map(section_part, sections)]
    tables: list[Table] = []
    if analysis is not None:
        tables.append(runs_html_table(analysis))
        parts += [Part("runs", "All runs", "Runs", table_html(tables[0])), provenance_part(analysis)]
        runs_table(analysis).write(folder / REPORT_RUNS)
    text = page(
        f"{decision.protocol.settings[1]} against {decision.protocol.settings[0]}",
        f"{decision.directory.name}; {time.strftime('%Y-%m-%d %H:%M')}",
        parts,
        [figure for section in sections for figure in section.figures],
        tables,
        made_with(),
    )
    write_atomically(folder / REPORT_PAGE, text.encode(errors="replace"))
    return folder / REPORT_PAGE


def decision_analysis(decision: Decision) -> Analysis | None:
    """Analyse the runs of a decision; None where none has a directory."""
    outcomes = [outcome for pair in decision.pairs.outcomes.values() for outcome in pair]
    directories = [outcome.directory for outcome in outcomes if outcome.directory.is_dir()]
    try:
        analysis = analyse(collect(directories), decision.protocol.metric)
    except (RunError, IndexError):
        return None
    analysis.sweep.directories = (decision.directory,)  # it holds the command
    return analysis


def _verdict_part(decision: Decision, analysis: Analysis | None) -> Part:
    body = f'<p class="lead">{escaped(headline(decision))}</p>{paragraphs(sentences(decision, analysis))}'
    return Part("result", "Result", "Result", body, "result")


def _waves_section(decision: Decision) -> Section:
    margin = decision.protocol.margin
    headers = (
        "wave",
        "seeds",
        "common seeds",
        "difference",
        "95 % interval",
        "failed",
        "collapsed",
        "verdict",
    )
    rows = [
        (
            look.wave,
            look.seeds,
            look.interval.n,
            format_signed(look.interval.mean),
            format_ends(look),
            " + ".join(map(str, look.failed)),
            " + ".join(map(str, look.collapsed)),
            look.verdict,
        )
        for look in decision.looks
    ]
    lines = [
        f"Margin {margin:g}: equivalent means that the whole interval is nearer to 0 than the margin; better "
        "and worse mean that it does not contain 0. Failed and collapsed count the first setting's runs + "
        "the second's, and their seeds are left out of the interval.",
    ]
    return Section("waves", "After each wave", lines, [waves_figure(decision)], headers, rows)
