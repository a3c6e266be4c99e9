"""Rankings of several groups: reference, verdicts, intervals."""

from __future__ import annotations

import math

import numpy as np
import pytest

from abreast.statistics.ranking import best_of, compare


def sweep(
    means: dict[str, float], n: int = 8, sd: float = 0.01, seed: int = 1
) -> dict[str, dict[int, float]]:
    rng = np.random.default_rng(seed)
    return {
        name: {block: float(value) for block, value in enumerate(mean + rng.normal(0, sd, n))}
        for name, mean in means.items()
    }


def test_verdicts_of_a_ranking() -> None:
    groups = sweep({"a": 0.95, "b": 0.951, "c": 0.80, "d": 0.50})
    groups["one"] = {0: 0.1}
    groups["none"] = {}
    ranking = compare(groups)
    assert ranking.winner in ("a", "b")
    assert set(ranking.best) == {"a", "b", "one"}  # one value cannot be tested
    assert ranking.verdict("c") == ranking.verdict("d") == "worse"
    assert (ranking.verdict("one"), ranking.verdict("none")) == ("untested", "untested")
    assert "none" not in ranking.comparisons
    for comparison in ranking.comparisons.values():
        if comparison.p is not None:
            assert comparison.p_adjusted is not None
            assert comparison.p <= comparison.p_adjusted
            assert comparison.low is not None
            assert comparison.high is not None
            assert (comparison.p_adjusted <= 0.05) == (not comparison.low <= 0 <= comparison.high)


def test_names_may_be_any_key() -> None:
    groups = {(1, "x"): {0: 0.1, 1: 0.2}, (2, "x"): {0: 0.5, 1: 0.7}}
    assert compare(groups).winner == (2, "x")


def test_a_group_alone_wins() -> None:
    ranking = compare({"a": {0: 0.9, 1: 0.91}})
    assert (ranking.winner, ranking.best, ranking.comparisons) == ("a", ("a",), {})
    assert ranking.summaries["a"].n == 2


def test_one_value_wins_only_where_no_group_has_more() -> None:
    groups = {"many": {0: 0.5, 1: 0.6}, "one": {0: 0.9}}
    assert compare(groups).winner == compare(groups, selection=groups).winner == "many"
    assert compare({name: {0: group[0]} for name, group in groups.items()}).winner == "one"


def test_lower_is_better() -> None:
    groups = {"low": dict(enumerate([0.1, 0.11, 0.12])), "high": dict(enumerate([1.1, 1.2, 1.15]))}
    ranking = compare(groups, higher_is_better=False)
    assert ranking.winner == "low"
    assert ranking.best == ("low",)
    assert best_of(groups) == "high"


def test_validation_chooses_and_the_test_compares() -> None:
    """A group that is better on the test set than the one chosen by validation is not made the winner."""
    tested = {"a": dict(enumerate([0.90, 0.91, 0.92, 0.91])), "b": dict(enumerate([0.95, 0.97, 0.96, 0.96]))}
    validated = {"a": dict.fromkeys(range(4), 0.99), "b": dict.fromkeys(range(4), 0.98)}
    ranking = compare(tested, selection=validated)
    assert ranking.winner == "a"
    assert ranking.verdict("b") == "better"
    assert ranking.best == ("a", "b")


@pytest.mark.parametrize("groups", [{}, {"a": {}}])
def test_nothing_to_compare(groups: dict[str, dict[int, float]]) -> None:
    ranking = compare(groups)
    assert ranking.winner is None
    assert ranking.best == ()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reference": "b"}, "reference='b' has no values; groups with values: a"),
        ({"margin": 0.0}, "margin=0.0 must be above 0"),
        ({"examples": 0}, "examples=0 must be at least 1"),
        ({"overlap": -0.1}, "overlap=-0.1 must be at least 0"),
    ],
)
def test_impossible_arguments_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        compare({"a": {0: 1.0}, "b": {}}, **options)  # type: ignore[arg-type,misc]


def test_a_group_without_a_sound_run_collapsed() -> None:
    groups = sweep({"a": 0.95, "b": 0.9})
    collapsed = {"b": {9: 0.1}, "c": dict.fromkeys(range(5), 0.1)}
    ranking = compare(groups, collapsed=collapsed)
    assert ranking.verdict("c") == "collapsed"
    assert "c" not in ranking.best
    assert ranking.comparisons["c"].n == (5, 8)
    assert (ranking.summaries["c"].n, ranking.summaries["c"].collapsed) == (0, 5)
    assert (ranking.summaries["b"].n, ranking.summaries["b"].collapsed) == (8, 1)
    assert ranking.more_collapsed == ("b", "c")
    alone = compare({"c": {}}, collapsed=collapsed)
    assert (alone.winner, alone.verdict("c")) == (None, "collapsed")


def test_a_value_that_is_not_finite_counts_as_collapsed() -> None:
    groups = sweep({"a": 0.95, "b": 0.9})
    groups["a"][3] = math.nan
    ranking = compare(groups)
    assert (ranking.summaries["a"].n, ranking.summaries["a"].collapsed) == (7, 1)


def test_a_larger_share_of_collapsed_runs_forbids_a_claim_in_favour() -> None:
    groups = sweep({"a": 0.90, "b": 0.95}, n=5)
    sound = compare(groups, reference="a")
    assert sound.verdict("b") == "better"
    del groups["b"][4]
    fallen = compare(groups, reference="a", collapsed={"b": {4: 0.1}})
    assert fallen.verdict("b") == "inconclusive"
    assert fallen.more_collapsed == ("b",)
    assert compare(groups, reference="b", collapsed={"b": {4: 0.1}}).verdict("a") == "worse"


def test_a_group_that_mostly_collapsed_does_not_win() -> None:
    groups = sweep({"a": 0.90, "b": 0.90}, n=6)
    groups["c"] = {0: 0.99, 1: 0.991}
    assert compare(groups).winner == "c"
    assert compare(groups, collapsed={"c": dict.fromkeys(range(2, 9), 0.1)}).winner in ("a", "b")


@pytest.mark.parametrize("sd", [0.005, 0.05])
def test_three_seeds_show_75_points_among_36_groups(sd: float) -> None:
    means = {str(index): 0.97 for index in range(35)}
    for seed in range(20):
        groups = sweep(means, n=3, sd=0.005, seed=seed) | sweep({"bad": 0.22}, n=3, sd=sd, seed=100 + seed)
        assert compare(groups, bounds=(0, 1)).verdict("bad") == "worse"


def test_overlapping_splits_widen_every_interval() -> None:
    """Nadeau and Bengio (2003): the variance of a mean over n splits is (1/n + overlap) s²."""
    groups = sweep({"a": 0.95, "b": 0.94}, n=10)
    plain, wide = (compare(groups, overlap=overlap) for overlap in (0.0, 0.25))
    factor = math.sqrt((1 / 10 + 0.25) / (1 / 10))
    before, after = plain.comparisons["b"], wide.comparisons["b"]
    widths = [(each.high or 0) - (each.low or 0) for each in (before, after)]
    assert widths[1] == pytest.approx(factor * widths[0])
    half = [ranking.summaries["b"].half for ranking in (plain, wide)]
    assert half[1] == pytest.approx(factor * (half[0] or 0))


def test_missing_seeds_and_groups_of_other_sizes_are_compared() -> None:
    groups = sweep(dict.fromkeys("abcdef", 0.9) | {"worse": 0.8}, n=6)
    del groups["a"][0], groups["b"][3], groups["worse"][5]
    ranking = compare(groups, reference="c")
    assert {ranking.comparisons[name].test for name in ("a", "b", "worse")} == {"blocked t"}
    assert ranking.best == ("a", "b", "c", "d", "e", "f")
