"""From runs that others trained to the runs of a report."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from abreast.config.canonical_text import canonical_text
from abreast.config.identity import Identity, Scalar
from abreast.errors import ConfigError, RunError
from abreast.metrics.registry import declare, lookup
from abreast.report.readers.folds import with_folds
from abreast.report.readers.foreign_run import ForeignRun
from abreast.report.readers.metric_names import NOT_RESULTS, direction_of, split_stage, usual_name
from abreast.report.readers.notes import MOST_SHOWN, reading_notes
from abreast.report.readers.settings import (
    DATA,
    REPEATS,
    Choices,
    base_name,
    join_twins,
    seed_key,
    seed_numbers,
    settings_keys,
)
from abreast.report.readers.summaries import spreads_over_runs
from abreast.report.run import Run
from abreast.report.settings import RunSettings
from abreast.runtime.printable import printable
from abreast.suggestions import did_you_mean, listed

PERCENT = "_percent"  # after the name of a share that is given as a percentage


@dataclass(frozen=True)
class Converted:
    """The runs of a report, the metric they are compared by, and what was taken for what."""

    runs: list[Run]
    metric: str
    notes: list[str]


def convert(kind: str, foreign: Sequence[ForeignRun], choices: Choices) -> Converted:
    """Make the runs of a report.

    Args:
        kind: What was read.
        foreign: The runs.
        choices: What the user says of them.

    Raises:
        RunError: No run has a result, or the seed is ambiguous or missing where it was named.
        ConfigError: Nothing says which way the metric is better.
    """
    names = Counter(name for run in foreign for name in run.results() if not NOT_RESULTS.fullmatch(name))
    if not names:
        raise RunError(f"{foreign[0].path}: {kind} runs without any result{_reason(foreign)}")
    metric = _choose_metric(names, choices)
    mode = choices.mode or direction_of(metric)
    if mode is None:
        others = [printable(name) for name in names if name != metric]
        more = f"; or --metric {listed(others[:MOST_SHOWN])}" if others and not choices.metric else ""
        raise ConfigError(
            f"--metric {printable(metric)}: which way is better? Write --mode max, or --mode min{more}"
        )
    keys: dict[str, str] = {}
    for name in sorted(names, key=lambda other: (other != metric, other)):
        key = _key(name, names, foreign)
        again = sum(other == key or other.startswith(f"{key}_again") for other in keys.values())
        keys[name] = f"{key}_again{again}" if again else key  # val_acc beside val/accuracy
    for name, key in keys.items():
        base = key.partition("/")[2]
        wanted = mode if name == metric else direction_of(name)
        known = lookup(base)
        if known is None or known.is_declared:
            declare(base, wanted or "min", title=_title(base), bounds=_bounds(base))
        elif name == metric and known.mode != mode:
            keys[name] = f"{key}_{mode}"
            declare(f"{base}_{mode}", mode)
    if choices.seed is None and choices.settings is None:
        join_twins(foreign)
    seed = seed_key(foreign, choices)
    settings = settings_keys(foreign, seed, choices)
    numbers = seed_numbers(foreign, seed)
    guessed = with_folds(foreign, choices.folds)
    runs = [_run(run, keys, seed, settings, numbers) for run in foreign]
    _refuse_means(metric, foreign, runs)
    notes = reading_notes(kind, foreign, metric, keys[metric], mode, seed, settings, names)
    return Converted(runs, keys[metric], [*notes, *guessed])


def _refuse_means(metric: str, foreign: Sequence[ForeignRun], runs: Sequence[Run]) -> None:
    """Refuse a table of means with their spreads, which has one row for each of its settings."""
    groups = Counter((run.path, run.identified.identity.settings) for run in runs if run.identified)
    if any(count > 1 for count in groups.values()):
        return
    for run in foreign:
        spreads = spreads_over_runs(metric, run.spreads)
        if spreads:
            raise RunError(
                f"{run.path}: {printable(metric)} is a mean over runs, {printable(spreads[0])} its spread. "
                "The values of the runs that they summarise are needed"
            )


def _reason(foreign: Sequence[ForeignRun]) -> str:
    """The end of the message: the first run's reason, or what to do."""
    reasons = (f": {printable(run.reason)}" for run in foreign if run.reason)
    return next(reasons, ". Give the metric with --metric NAME")


def _choose_metric(names: Counter[str], choices: Choices) -> str:
    wanted = choices.metric
    if wanted is not None:
        for name in names:
            if wanted in (name, name.lower()) or "/".join(split_stage(name)) == wanted:
                return name
        bare = [name for name in names if split_stage(name)[1].lower() == wanted.lower()]
        if bare:
            return min(bare, key=lambda name: _rank(name, names))
        shown = [printable(name) for name in names]
        raise RunError(f"--metric {wanted}: no run has this metric. Available: {listed(shown[:30])}"
                       f"{did_you_mean(wanted, shown)}")  # fmt: skip
    return min(names, key=lambda name: _rank(name, names))


def _rank(name: str, names: Counter[str]) -> tuple[object, ...]:
    """Most runs first, then test before validation before training, known before unknown, loss last."""
    stage, base = _stage(name, names)
    metric = lookup(usual_name(base))
    known = metric is not None and not metric.is_declared
    priority = -metric.priority if metric is not None and known else 0
    is_loss = "loss" in base.lower()
    half = 2 * names[name] >= max(names.values())
    order = ("test", "val", "train").index(stage)
    is_unsaid = not split_stage(name)[0]  # `final_score` before `a_score`
    is_end = re.search(r"(^|[_/.])(min|max|std)$", base.lower()) is not None  # behind `reward_mean`
    return (
        not half,
        direction_of(name) is None,
        order,
        is_loss,
        not known,
        priority,
        is_end,
        is_unsaid,
        name,
    )


def _stage(name: str, names: Mapping[str, int]) -> tuple[str, str]:
    """The stage and the rest of a name; without one: training where validation has it, else test.

    A loss beside anything validated is that of training.
    """
    stage, base = split_stage(name)
    if not stage:
        validated = {other for name, other in map(split_stage, names) if name == "val"}
        stage = "train" if base in validated or (base.lower() == "loss" and validated) else "test"
    return stage, base


def _bounds(base: str) -> tuple[float, float]:
    """The range of a metric: of a known share that is given as a percentage 0 to 100."""
    known = lookup(base.removesuffix(PERCENT))
    is_share = known is not None and not known.is_declared and {known.worst, known.best} == {0, 1}
    return (0.0, 100.0) if is_share and base.endswith(PERCENT) else (-math.inf, math.inf)


def _title(base: str) -> str:
    """`accuracy (%)` for `acc_percent`, `Error Rate` for `Error_Rate`."""
    name = base.removesuffix(PERCENT)
    known = lookup(usual_name(name))
    text = name.replace("_", " ") if known is None or known.is_declared else known.title
    return f"{text} (%)" if base != name else text


def _key(name: str, names: Mapping[str, int], foreign: Sequence[ForeignRun]) -> str:
    """`test/accuracy` for `test_acc`."""
    stage, base = _stage(name, names)
    alias = usual_name(base)
    metric = lookup(alias)
    if metric is not None and not metric.is_declared:
        low, high = sorted((metric.worst, metric.best))
        values = [run.results()[name] for run in foreign if name in run.results()]
        if all(low <= value <= high for value in values):
            return f"{stage}/{alias}"
        is_percent = (low, high) == (0, 1) and all(0 <= value <= 100 for value in values)
        base = f"{alias}{PERCENT}" if is_percent else f"{base}_raw"  # not in the range of the metric
    elif re.search(r"%\W*$", name):
        base += PERCENT
    return f"{stage}/{re.sub(r'[^A-Za-z0-9_.@+-]', '_', base)[:60]}"


def _run(
    foreign: ForeignRun,
    keys: Mapping[str, str],
    seed: str | None,
    settings: Sequence[str],
    numbers: Mapping[Scalar, int],
) -> Run:
    chosen: dict[str, Scalar] = {}
    for key in settings:
        if key in foreign.settings:
            last = base_name(key)
            chosen[f"data.{last}" if last in DATA else key] = foreign.settings[key]
    fold = None if foreign.fold is None else foreign.fold[0]
    text = canonical_text(chosen)
    flat = {**chosen, **({"data.folds": foreign.fold[1]} if foreign.fold else {})}
    number = numbers.get(foreign.settings.get(seed)) if seed is not None else None
    # Repetitions of a cross-validation draw new folds; seeds train again on the same ones.
    draws_folds = fold is not None and number is not None and base_name(str(seed)) in REPEATS
    repetition = number if draws_folds and number is not None else 0
    identified = RunSettings(flat, Identity(text, "", "", repetition, fold, chosen))
    run = Run(foreign.path, printable(foreign.name), foreign.status, printable(foreign.reason)[:300])
    run.is_foreign = True
    run.identified = identified
    run.seed = number
    if foreign.fold is not None:
        run.seed = 0 if draws_folds or number is None else number
        run.result = {
            "examples": {"train": foreign.fold[1] - 1, "test": 1, "val": 0},
            "data": {"drawn": "test"},
        }
    if foreign.seconds is not None:
        run.result = {**run.result, "seconds": foreign.seconds}
    if foreign.status == "finished":
        run.metrics = {keys[name]: value for name, value in foreign.results().items() if name in keys}
    elif foreign.status == "unreadable":
        run.identified = None
    curve = {
        keys[name]: values for name, values in foreign.curves.items() if name in keys and len(values) > 1
    }
    length = max(map(len, curve.values()), default=0)
    if length:
        filled = {key: values + [math.nan] * (length - len(values)) for key, values in curve.items()}
        run.curve = {"epoch": [float(number) for number in range(1, length + 1)], **filled}
    return run
