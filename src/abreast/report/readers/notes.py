"""What a report says of how it read runs that others trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from abreast.metrics.registry import Mode
from abreast.report.readers.foreign_run import ForeignRun
from abreast.runtime.printable import printable
from abreast.suggestions import listed

MOST_SHOWN = 6


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
        *_left_out(foreign),
    ]


def _left_out(foreign: Sequence[ForeignRun]) -> list[str]:
    """A sentence on what summarises the runs, and is not read."""
    rows = list(dict.fromkeys(name for run in foreign for name in run.left_out))
    columns = list(dict.fromkeys(name for run in foreign for name in run.spreads))
    shown = [printable(name) for name in (*rows, *columns)]
    rest = f" and {len(shown) - MOST_SHOWN} more" if len(shown) > MOST_SHOWN else ""
    return [f"Left out, as they summarise: {listed(shown[:MOST_SHOWN])}{rest}."] if shown else []
