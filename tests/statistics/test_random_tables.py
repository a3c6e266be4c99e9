"""Verdicts on random tables: ties, equal values, single and missing values, collapsed groups, any scale."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from abreast.statistics.ranking import Ranking, compare

Table = dict[str, dict[int, float]]
KINDS = ("normal", "scaled", "ties", "counts", "own seeds", "not finite", "missing", "collapsed")


def table(random: Any, kind: str) -> Table:
    groups, seeds = int(random.integers(1, 7)), int(random.integers(1, 7))
    scale = 10.0 ** random.integers(-8, 9) if kind == "scaled" else 1.0
    offset = random.choice([0, 0.9, -5, 1e6])
    made: Table = {}
    for group in range(groups):
        values = random.normal(size=seeds) * random.choice([0, 1, 1, 3]) + random.choice([0, 0, 2, 5])
        values = np.round(values) if kind == "ties" else values
        values = random.binomial(360, 0.9, size=seeds) / 360 if kind == "counts" else values
        names = range(seeds) if kind != "own seeds" else [seed + 10 * group for seed in range(seeds)]
        row = {seed: float((value + offset) * scale) for seed, value in zip(names, values, strict=True)}
        if kind == "not finite":
            row = {seed: random.choice([value, math.nan, math.inf]) for seed, value in row.items()}
        if kind == "missing":
            row = {seed: value for seed, value in row.items() if random.random() > 0.3}
        if kind == "collapsed" and random.random() < 0.4:
            row = dict.fromkeys(row, math.nan)
        made[f"g{group}"] = row
    return made


@pytest.mark.parametrize("kind", KINDS)
def test_each_verdict_follows_from_its_numbers(kind: str) -> None:
    random = np.random.default_rng(KINDS.index(kind))
    for _ in range(25):
        groups = table(random, kind)
        higher, margin = bool(random.integers(2)), random.choice([None, 0.1, 1.0])
        ranking = compare(groups, higher_is_better=higher, margin=margin)
        is_continuous = kind not in ("ties", "counts")  # no grid, whose step a variance cannot fall below
        check(groups, ranking, higher=higher, margin=margin, is_continuous=is_continuous)
        mirrored = {name: {seed: -value for seed, value in row.items()} for name, row in groups.items()}
        other = compare(mirrored, higher_is_better=not higher, margin=margin)
        assert [other.verdict(name) for name in groups] == [ranking.verdict(name) for name in groups]


def check(
    groups: Table, ranking: Ranking, *, higher: bool, margin: float | None, is_continuous: bool
) -> None:
    usable = {
        name: {seed: value for seed, value in row.items() if math.isfinite(value)}
        for name, row in groups.items()
    }
    for name, each in ranking.comparisons.items():
        if not usable[name]:
            assert each.verdict == "collapsed"
            continue
        values, reference = usable[name], usable[ranking.winner]
        if min(len(values), len(reference)) < 2:
            assert each.verdict == "untested"
            continue
        assert each.low is not None
        assert each.high is not None
        assert each.difference is not None
        assert each.p is not None
        assert each.p_adjusted is not None
        assert 0 <= each.p <= each.p_adjusted <= 1
        is_significant = not each.low <= 0 <= each.high
        assert is_significant == (each.p_adjusted <= ranking.alpha)
        if each.verdict in ("better", "worse"):
            assert is_significant
            assert (each.verdict == "better") == ((each.difference > 0) == higher)
        elif each.verdict == "equivalent":
            assert margin is not None
            assert each.p_equivalent is not None
            assert each.p_equivalent <= ranking.alpha
            assert abs(each.difference) < margin
        else:
            assert not is_significant or name in ranking.more_collapsed
        if is_continuous and sum(map(bool, usable.values())) == 2:
            classic(values, reference, each)
    for summary in ranking.summaries.values():
        assert summary.low is None or summary.low < summary.mean < summary.high


def classic(values: dict[int, float], reference: dict[int, float], each: Any) -> None:
    """With two groups the p-value is that of scipy's test, unless it is so small that rounding counts."""
    size = max(map(abs, [*values.values(), *reference.values()]))
    common = [values[seed] - reference[seed] for seed in values if seed in reference]
    if each.test == "paired t" and len(common) == len(values) == len(reference):
        if np.std(common) > 1e-3 * size:
            assert each.p == pytest.approx(stats.ttest_1samp(common, 0).pvalue, rel=1e-4)
    elif (
        each.test == "Welch t"
        and min(np.std([*values.values()]), np.std([*reference.values()])) > 1e-3 * size
    ):
        expected = stats.ttest_ind([*values.values()], [*reference.values()], equal_var=False).pvalue
        assert each.p == pytest.approx(expected, rel=1e-4)
