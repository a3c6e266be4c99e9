"""What a report says of how it read runs that others trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from abreast.metrics.registry import Mode, lookup
from abreast.report.readers.foreign_run import ForeignRun
from abreast.report.readers.metric_names import split_stage, usual_name
from abreast.runtime.printable import printable
from abreast.suggestions import listed

MOST_SHOWN = 6
MOST_SHARE = 1.5  # above it a share is a percentage


def reading_notes(
    kind: str,
    foreign: Sequence[ForeignRun],
    metric: str,
    key: str,
    mode: Mode,
    seed: str | None,
    settings: Sequence[str],
    names: Mapping[str, int],
) -> list[str]:
    """The sentences of a report that say what was taken for what.

    Args:
        kind: What was read.
        foreign: The runs.
        metric: What they are compared by, as their files call it.
        key: The same as the report calls it.
        mode: Which way it is better.
        seed: The setting that is the seed.
        settings: The settings that count.
        names: The results that there are.
    """
    better = "higher" if mode == "max" else "lower"
    others = [printable(name) for name in names if name != metric]
    more = f"; also logged: {listed(others[:MOST_SHOWN])}{' and more' if len(others) > MOST_SHOWN else ''}"
    curves = any(len(run.curves.get(metric, ())) > 1 and metric not in run.final for run in foreign)
    last = ", of each run the last value" if curves else ""
    varied = [name for name in settings if len({run.settings.get(name) for run in foreign}) > 1]
    shown = [printable(name) for name in varied]
    rest = f" and {len(shown) - MOST_SHOWN} more" if len(shown) > MOST_SHOWN else ""
    if any(run.fold is not None for run in foreign):
        seeds = "the folds of a cross-validation are the repeats"
    elif seed is None:
        seeds = "none was found, so runs with the same settings count as independent repeats (--seed KEY)"
    else:
        seeds = printable(seed)
    return [
        f"Read as {kind} runs that others trained. Metric: {printable(metric)} (shown as {key}; {better} is "
        f"better{last}{more if others else ''}). Seed: {seeds}. "
        f"Settings that differ: {listed(shown[:MOST_SHOWN]) + rest if shown else 'none'}.",
        *dict.fromkeys(remark for run in foreign for remark in run.remarks),
        *(_two_scales(foreign, name) for name in names if _has_two_scales(foreign, name)),
        *_left_out(foreign),
    ]


def _has_two_scales(foreign: Sequence[ForeignRun], name: str) -> bool:
    """Whether a share has values that are shares beside others that are percentages."""
    known = lookup(usual_name(split_stage(name)[1]))
    if known is None or known.is_declared or {known.worst, known.best} != {0, 1}:
        return False
    values = [run.results()[name] for run in foreign if name in run.results()]
    return any(0 < value <= 1 for value in values) and any(value > MOST_SHARE for value in values)


def _two_scales(foreign: Sequence[ForeignRun], name: str) -> str:
    values = [run.results()[name] for run in foreign if name in run.results()]
    return (
        f"{printable(name)} has values up to 1 and above {MOST_SHARE}, {min(values):g} to {max(values):g}: "
        "all count as given in the same unit. Correct the file if some are shares and others percentages."
    )


def _left_out(foreign: Sequence[ForeignRun]) -> list[str]:
    """A sentence on what summarises the runs, and is not read."""
    rows = list(dict.fromkeys(name for run in foreign for name in run.left_out))
    columns = list(dict.fromkeys(name for run in foreign for name in run.spreads))
    shown = [printable(name) for name in (*rows, *columns)]
    rest = f" and {len(shown) - MOST_SHOWN} more" if len(shown) > MOST_SHOWN else ""
    return [f"Left out, as they summarise: {listed(shown[:MOST_SHOWN])}{rest}."] if shown else []
