"""A study's page: the report on its repeats, with the protocol, the budget curve and the tuning before it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from abreast.report.collect import collect
from abreast.report.figures.base import Figure, Json, Section, layout, line, safe, symbol
from abreast.report.figures.lr_sensitivity import sensitivity
from abreast.report.figures.ranking import distinct
from abreast.report.groups import Answer, answer
from abreast.report.html.contents import contents, render
from abreast.report.tables import runs_table, summary_table, write_csv
from abreast.report.text import metric_name, number
from abreast.runs.atomic import write_atomically
from abreast.runs.files import REPORT_PAGE, REPORT_RUNS, REPORT_SUMMARY
from abreast.statistics.comparison import compare
from abreast.study.budget import budgets
from abreast.study.results import Findings
from abreast.study.selection import shown

MOST_LINES = 24


def write_page(found: Findings) -> Path:
    """Write SWEEP/report/report.html with its tables beside it; the page's path. Raises RunError."""
    folder = found.directory / "report"
    repeats = _runs(found, "repeat")
    result = answer(collect(repeats), found.metric)
    result.sweep.directories = (found.directory,)  # which has the study's command
    _refer(result, found)
    made = contents(result, extra=[_protocol(found), *_tuning(found)])
    write_atomically(folder / REPORT_PAGE, render(result, made).encode())
    write_csv(folder / REPORT_SUMMARY, *summary_table(result))
    write_csv(folder / REPORT_RUNS, *runs_table(answer(collect([*_runs(found, "tune"), *repeats]))))
    return folder / REPORT_PAGE


def _runs(found: Findings, stage: str) -> list[Path]:
    """The directories of a stage's runs: beside them may lie those of an earlier protocol."""
    rows = [trial.outcomes for choice in found.choices for trial in choice.trials]
    outcomes = [each for row in (found.repeats or () if stage == "repeat" else rows) for each in row]
    return sorted({each.directory for each in outcomes if each.directory.is_dir()})


def _refer(result: Answer, found: Findings) -> None:
    """Compare with the study's reference, as the study does: the one that validated best while tuning."""
    assert found.verdict is not None
    assert found.repeats is not None
    reference: set[Path] = set()
    for choice, outcomes, ranking in zip(found.choices, found.repeats, found.verdict.rankings, strict=True):
        if choice.cell.name == ranking.winner:
            reference |= {each.directory.resolve() for each in outcomes}
    for task in result.tasks:
        label = next(
            (
                group.label
                for group in task.groups
                if group.values and any(run.path.resolve() in reference for run in group.runs)
            ),
            None,
        )
        if label is None:
            continue
        task.ranking = compare(
            {group.label: group.values for group in task.groups}, higher_is_better=result.higher, winner=label
        )
        for group in task.groups:
            group.verdict = task.ranking.verdict(group.label)
            group.comparison = task.ranking.comparisons.get(group.label)
        task.groups.sort(key=lambda group: group.verdict != "winner")  # the others stay in their order


def _protocol(found: Findings) -> Section:
    plan, validation = found.protocol, metric_name(found.choices[0].metric)
    trials, seeds = f"{plan.trials} trial{'s' * (plan.trials > 1)}", len(plan.tune_seeds)
    lines = [
        f"Tuned: every one of {len(plan.cells)} cells had {trials}, each on {_seeds(plan.tune_seeds)}; the "
        f"setting with the best {'mean ' * (seeds > 1)}{validation} was chosen. Repeated: the chosen "
        f"settings on {_seeds(plan.repeat_seeds)}, which tuning did not use. Tested: these repeats, once.",
        "The winner is the cell that validated best while tuning. Neither the test rows nor the repeats "
        "chose it, so its comparisons with the others keep their level.",
    ]
    warnings = [f"Warning. {each}" for each in found.warnings]
    rows = [
        (
            choice.cell.name,
            shown(choice.best.setting) if choice.best else "all trials failed",
            number(choice.best.value if choice.best else None),
            f"{sum(trial.value is None for trial in choice.trials)} of {len(choice.trials)}",
            "; ".join(f"{key}: {each}" for key, each in choice.cell.space.items()),
        )
        for choice in found.choices
    ]
    headers = ("cell", "chosen", f"{validation} in tuning", "trials failed", "space")
    return Section("study", "The study", [*lines, *warnings], headers=headers, rows=rows, place="top")


def _tuning(found: Findings) -> Iterator[Section]:
    curve = _curve(found)
    lines = [
        "What a smaller budget would have given: the expected best of k trials, drawn without replacement "
        "from those that were made (Tang et al. 2020, arXiv 2004.13705; after Dodge et al. 2019, arXiv "
        "1909.03004). A failed trial counts as the worst. All on validation: no trial was tested.",
    ]
    yield Section("budget", "Performance against budget", lines, [curve])
    tuning = answer(collect(_runs(found, "tune")), found.choices[0].metric)
    made = [sensitivity(task, tuning, f"-tuning-{at}") for at, task in enumerate(tuning.tasks)]
    figures = [each for each in made if each is not None]
    if figures:
        where = ", ".join(
            task.label for task, each in zip(tuning.tasks, made, strict=True) if each and task.label
        )
        said = [f"All trials, by learning rate{f' (in this order: {where})' if where else ''}."]
        yield Section("tuning", "Learning rates tried", said, figures)


def _curve(found: Findings) -> Figure:
    chosen = [at for at in found.order() if found.curve(at)]
    names = distinct([safe(found.choices[at].cell.name) for at in chosen[:MOST_LINES]])
    data: list[Json] = []
    for place, (at, name) in enumerate(zip(chosen, names, strict=False)):
        points = found.curve(at)
        data.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": name,
                "x": [k for k, _ in points],
                "y": [value for _, value in points],
                "line": line(place),
                "marker": {"symbol": symbol(place), "size": 7},
                "hovertemplate": "%{x} trials: %{y:.4f}<extra>" + name + "</extra>",
            }
        )
    steps = budgets(found.protocol.trials)
    validation = metric_name(found.choices[0].metric)
    caption = f"Expected {validation} of the best of so many trials."
    if len(chosen) > MOST_LINES:
        caption += f" Shown are {MOST_LINES} of {len(chosen)} cells."
    ticks = {"type": "log", "tickvals": steps, "ticktext": [str(k) for k in steps]}
    frame = layout("trials", validation, height=440, xaxis=ticks, showlegend=True)
    rows = [
        (found.choices[at].cell.name, *(number(dict(found.curve(at)).get(k)) for k in steps)) for at in chosen
    ]
    headers = ("cell", *(f"{k} trial{'s' * (k > 1)}" for k in steps))
    return Figure(
        "budget-curve",
        "Expected best by budget",
        caption,
        {(): {"data": data, "layout": frame}},
        (),
        headers,
        rows,
    )


def _seeds(seeds: Sequence[int]) -> str:
    return f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"
