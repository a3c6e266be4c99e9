"""Worked examples that others published, each with its source, through the functions that reports call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from abreast.statistics.comparison import Comparison
from abreast.statistics.ranking import compare
from abreast.statistics.summary import summarise

# Student (1908), Biometrika 6, 20: hours of sleep gained by ten patients with two drugs; R's `sleep`.
SLEEP = (
    [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0],
    [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4],
)
# Fisher (1935), The Design of Experiments, section 17: Darwin's maize, crossed less self-fertilised plants
# of 15 pairs, in eighths of an inch.
MAIZE = [49.0, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]
# Wikipedia, "Welch's t-test", the first example.
UNEQUAL = (
    [27.5, 21.0, 19.0, 23.6, 17.0, 17.9, 16.9, 20.1, 21.9, 22.6, 23.1, 19.6, 19.0, 21.7, 21.4],
    [27.1, 22.0, 20.8, 23.4, 23.4, 23.5, 25.8, 22.0, 24.8, 20.2, 21.9, 22.1, 22.9, 20.5, 24.4],
)
# Two columns of a clinical trial of two treatments, the data of statsmodels' tests of equivalence.
CLINIC_1 = (
    [2.84, 2.51, 2.41, 2.95, 3.14, 3.79, 4.14, 3.85, 3.02, 3.45, 5.37, 3.81, 4.19, 3.16, 3.84],
    [2.60, 2.82, 2.18, 3.46, 4.01, 3.04, 3.47, 4.06, 2.91, 3.59, 4.51, 3.16, 3.86, 3.31, 3.02],
)
CLINIC_2 = (
    [4.00, 3.26, 4.14, 3.42, 3.25, 4.34, 4.97, 4.31, 3.11, 3.41, 5.02, 4.21, 4.59, 5.30, 4.32],
    [3.76, 3.66, 3.65, 3.60, 3.48, 2.87, 3.24, 3.92, 3.99, 4.21, 4.21, 3.31, 3.61, 2.97, 2.73],
)


def compared(first: Any, second: Any, *, paired: bool, **options: Any) -> Comparison:
    """The first sample against the second, over common seeds or over others."""
    groups = {
        "first": dict(enumerate(map(float, first))),
        "second": {index if paired else -1 - index: float(value) for index, value in enumerate(second)},
    }
    return compare(groups, reference="second", **options).comparisons["first"]


@dataclass(frozen=True)
class Example:
    """A published test of a difference: its values with as many digits as were printed."""

    samples: tuple[list[float], list[float]]
    paired: bool
    t: str
    p: str
    interval: tuple[str, str] | None = None


TESTS = {
    # R 4.3, the examples of ?sleep and ?t.test.
    "sleep, paired": Example(SLEEP, True, "-4.0621", "0.002833", ("-2.4598858", "-0.7001142")),
    "sleep, Welch": Example(SLEEP, False, "-1.8608", "0.07939", ("-3.3654832", "0.2054832")),
    # Fisher gives t = 2.148 beside 2.145, Student's value for 5 %.
    "maize": Example((MAIZE, [0.0] * len(MAIZE)), True, "2.148", "0.0497"),
    "unequal variances": Example(UNEQUAL, False, "-2.46", "0.021"),
}


@pytest.mark.parametrize("name", TESTS)
def test_of_a_difference(name: str) -> None:
    example = TESTS[name]
    comparison = compared(*example.samples, paired=example.paired)
    assert comparison.test == ("paired t" if example.paired else "Welch t")
    assert comparison.p is not None
    assert f"{comparison.p:.{_places(example.p)}f}" == example.p
    error = _standard_error(*example.samples, paired=example.paired)
    assert comparison.difference is not None
    assert f"{comparison.difference / error:.{_places(example.t)}f}" == example.t
    if example.interval is not None:
        assert comparison.low is not None
        assert comparison.high is not None
        shown = tuple(
            f"{end:.{_places(text)}f}"
            for end, text in zip((comparison.low, comparison.high), example.interval, strict=True)
        )
        assert shown == example.interval


# p-values of tost() of R's package `equivalence`, as statsmodels/stats/tests/test_tost.py stores them.
EQUIVALENCES = [
    (CLINIC_2, True, 0.6, 0.4412034046017588),
    (CLINIC_1, True, 0.6, 0.003166881489265175),
    (CLINIC_2, False, 0.6, 0.4317936812594803),
    (CLINIC_1, False, 0.6, 0.04853083976236974),
    # TOSTER's vignette "An Introduction to t_TOST": sleep as independent samples, bound 0.5.
    (SLEEP, False, 0.5, 0.890),
]


@pytest.mark.parametrize(("samples", "paired", "margin", "p"), EQUIVALENCES)
def test_of_equivalence(
    samples: tuple[list[float], list[float]], paired: bool, margin: float, p: float
) -> None:
    comparison = compared(*samples, paired=paired, margin=margin)
    tolerance = 5e-4 if p == 0.890 else 1e-9
    assert comparison.p_equivalent == pytest.approx(p, abs=tolerance)
    assert (comparison.verdict == "equivalent") == (p <= 0.05)


def test_of_equivalence_from_published_means() -> None:
    # Lakens (2017), Soc. Psychol. Personal. Sci. 8, 355, and TOSTER's TOSTtwo: the replication of Eskine
    # (2013) by Moery and Calin-Jageman (2016): 5.25 ± 0.95 (n = 95) against 5.22 ± 0.83 (n = 89), with the
    # bound d = 0.43, which is 0.384: t(182) = -2.69, p = 0.004.
    first, second = _sample(5.25, 0.95, 95), _sample(5.22, 0.83, 89)
    margin = 0.43 * ((0.95**2 + 0.83**2) / 2) ** 0.5
    comparison = compared(first, second, paired=False, margin=margin)
    assert comparison.verdict == "equivalent"
    assert f"{comparison.p_equivalent:.3f}" == "0.004"
    assert f"{(0.03 - margin) / _standard_error(first, second, paired=False):.2f}" == "-2.69"


def test_corrected_resampled_t() -> None:
    # scikit-learn's example "Statistical comparison of models using grid search": ten repetitions of ten
    # folds of 100 examples, with the correction of Nadeau and Bengio (2003): one-sided p-values of its pairs,
    # and the uncorrected one of the first (2.611, 0.005).
    model_selection = pytest.importorskip("sklearn.model_selection")
    from sklearn.datasets import make_moons
    from sklearn.svm import SVC

    inputs, labels = make_moons(noise=0.352, random_state=1, n_samples=100)
    folds = model_selection.RepeatedStratifiedKFold(n_splits=10, n_repeats=10, random_state=0)
    kernels = {
        "rbf": SVC(kernel="rbf", random_state=0),
        "linear": SVC(kernel="linear", random_state=0),
        "3_poly": SVC(kernel="poly", degree=3, random_state=0),
    }
    scores = {
        name: model_selection.cross_val_score(kernel, inputs, labels, cv=folds, scoring="roc_auc")
        for name, kernel in kernels.items()
    }
    published = [("rbf", "linear", "0.227"), ("rbf", "3_poly", "0.050"), ("linear", "3_poly", "0.135")]
    for first, second, p in published:
        comparison = compared(scores[first], scores[second], paired=True, overlap=10 / 90)
        assert comparison.p is not None
        assert f"{comparison.p / 2:.3f}" == p
    uncorrected = compared(scores["rbf"], scores["linear"], paired=True)
    assert uncorrected.p is not None
    assert f"{uncorrected.p / 2:.3f}" == "0.005"
    mean = summarise(scores["rbf"], overlap=10 / 90).mean
    assert f"{mean:.2f}" == "0.94"


def test_interval_of_a_share() -> None:
    # Conover (1971), p. 97f., in R's ?binom.test: 682 of 925 plants; Clopper and Pearson's interval.
    share = summarise([0.9] * (925 - 682), collapsed=682)
    assert f"{share.collapsed_low:.7f}" == "0.7076683"
    assert f"{share.collapsed_high:.7f}" == "0.7654066"


def _sample(mean: float, sd: float, n: int) -> Any:
    """Values with exactly this mean and standard deviation."""
    values = np.random.default_rng(0).normal(size=n)
    return mean + sd * (values - values.mean()) / values.std(ddof=1)


def _standard_error(first: Any, second: Any, *, paired: bool) -> float:
    a, b = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if paired:
        return float((a - b).std(ddof=1) / np.sqrt(len(a)))
    return float(np.sqrt(a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b)))


def _places(text: str) -> int:
    return len(text.partition(".")[2])
