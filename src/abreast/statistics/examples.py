"""How far a mean over seeds and test examples reaches: to other seeds, and to another test set.

Seeds and test examples are crossed: every run was tested on every example. With `y[i, j]` the outcome of
run i on example j, the variance has three parts, those of the two-way random-effects layout

    y[i, j] = mean + a[i] + b[j] + e[i, j]

A mean over s runs and n examples has variance  var(a) / s + var(b) / n + var(e) / (s n).  The means of the
examples over the runs have variance var(b) + var(e) / s; divided by n this is what the choice of the test
examples contributes. The means of the runs have variance var(a) + var(e) / n, of which only var(a) is left
on infinitely many examples (Jordan 2024, On the variance of neural network training with respect to test
sets and distributions, arXiv 2304.01910).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

Outcomes = NDArray[Any]  # [runs, examples], bool (correct or not) or floating (losses)

LEVEL = 0.95
FEW = 5  # wrong (or right) examples, below which their variance is not estimated


@dataclass(frozen=True)
class CrossedInterval:
    """A mean, or a difference of two means, over runs and test examples.

    Attributes:
        mean: On these examples.
        runs: Number of runs; of the smaller group, for a difference.
        examples: Number of test examples that count.
        move: With probability 0.95 another test set of the same size changes the mean by no more than this,
            for the same trained networks.
        low: Lower end of the 95 % interval of the mean over seeds and examples; for one run, over examples.
        high: Upper end of that interval.
        seed_sd: Standard deviation over seeds on infinitely many examples; None for one run.
    """

    mean: float
    runs: int
    examples: int
    move: float
    low: float
    high: float
    seed_sd: float | None


def variance_if_independent(outcomes: Outcomes) -> float:
    """The variance over seeds that the accuracy would have if the outcomes of the examples were independent.

    It is `sum p[j] (1 - p[j]) / n²`, with p[j] the share of runs that are correct on example j (Jordan 2024,
    arXiv 2304.01910); p (1 - p) is estimated without bias by the sample variance over the runs.

    Args:
        outcomes: `[runs, examples]`, at least two runs.
    """
    values = np.asarray(outcomes, dtype=float)
    return float(values.var(axis=0, ddof=1).mean() / values.shape[1])


def variance_on_distribution(outcomes: Outcomes) -> float:
    """The variance over seeds on infinitely many examples, without bias; it may come out negative.

    It is `n / (n - 1) (V - I)`, with V the sample variance of the runs' means on the n examples and I what
    `variance_if_independent` gives (Jordan 2024, arXiv 2304.01910). It equals var(a) of the analysis of
    variance: (mean square of runs - mean square of residuals) / n.

    Args:
        outcomes: `[runs, examples]`, at least two of each.
    """
    values = np.asarray(outcomes, dtype=float)
    examples = values.shape[1]
    on_test_set = float(values.mean(axis=1).var(ddof=1))
    return float(examples / (examples - 1) * (on_test_set - variance_if_independent(values)))


def wilson(correct: float, examples: float, quantile: float) -> tuple[float, float]:
    """Wilson's score interval of a proportion (Wilson 1927, J. Am. Stat. Assoc. 22, 209-212).

    Args:
        correct: The proportion, in [0, 1].
        examples: The number of independent examples; need not be an integer.
        quantile: Of the two-sided normal (or Student's) distribution, such as 1.96.

    Returns:
        Both ends, in [0, 1].

    >>> [round(end, 4) for end in wilson(0.975, 360, 1.96)]
    [0.9532, 0.9868]
    """
    squared = quantile**2 / examples
    center = (correct + squared / 2) / (1 + squared)
    half = quantile * math.sqrt(correct * (1 - correct) / examples + squared / (4 * examples)) / (1 + squared)
    return max(0.0, center - half), min(1.0, center + half)


def crossed_mean(outcomes: Outcomes) -> CrossedInterval:
    """A group's mean, and how far it reaches.

    For proportions the interval is Wilson's, with the number of independent examples that has the estimated
    variance (as in surveys: Korn and Graubard 1998, Survey Methodology 24, 193-201); else it is mean ± half.
    The half is `sqrt((t[s - 1] seeds)² + (t[n - 1] examples)²)`, with both standard errors and quantiles of
    Student's distribution (Zou and Donner 2008, Stat. Med. 27, 1693-1702).

    Args:
        outcomes: `[runs, examples]`, bool for accuracy, else losses; at least two examples.
    """
    is_proportion = outcomes.dtype == np.bool_
    values = outcomes.astype(float)
    runs, examples = values.shape
    by_example = values.mean(axis=0)
    mean = float(by_example.mean())
    of_examples = float(by_example.var(ddof=1)) / examples
    of_seeds = _of_seeds(values)
    variance, quantile = _total(of_seeds, runs, of_examples, examples)
    if is_proportion:
        spread = mean * (1 - mean)
        is_rare = examples * min(mean, 1 - mean) < FEW  # too few to estimate the variance over examples
        effective = examples if runs == 1 or not variance else spread / variance
        low, high = wilson(mean, min(effective, examples if is_rare else runs * examples), quantile)
        # Two further examples right and two wrong (Agresti and Coull 1998, Am. Stat. 52, 119-126)
        of_examples = float(np.append(by_example, [0, 0, 1, 1]).var()) / (examples + 4)
    else:
        half = quantile * math.sqrt(variance)
        low, high = max(0.0, mean - half), mean + half
    seed_sd = None if of_seeds is None else math.sqrt(of_seeds)
    return CrossedInterval(mean, runs, examples, _move(of_examples), low, high, seed_sd)


def crossed_difference(outcomes: Outcomes, others: Outcomes, *, same_seeds: bool) -> CrossedInterval:
    """The mean of one group minus that of another, which was tested on the same examples.

    The interval is mean ± half, as for `crossed_mean`. For proportions half a further example is added to
    each way in which two outcomes can fall (Agresti and Min 2005, Stat. Med. 24, 729-740).

    Args:
        outcomes: `[runs, examples]`; at least two examples.
        others: `[runs, examples]`, of the other group.
        same_seeds: Whether the runs at the same position of both groups have the same seed.
    """
    is_proportion = outcomes.dtype == np.bool_
    values, other_values = outcomes.astype(float), others.astype(float)
    by_example = values.mean(axis=0) - other_values.mean(axis=0)
    examples = len(by_example)
    runs = min(len(values), len(other_values))
    mean = center = float(by_example.mean())
    of_examples = float(by_example.var(ddof=1)) / examples
    if is_proportion:
        center = float(by_example.sum()) / (examples + 2)
        of_examples = ((float(np.square(by_example).sum()) + 1) / (examples + 2) - center**2) / (examples + 2)
    of_seeds: float | None = None
    if runs > 1 and same_seeds:
        of_seeds = _of_seeds(values - other_values)
    elif runs > 1:
        of_seeds = runs * sum((_of_seeds(part) or 0.0) / len(part) for part in (values, other_values))
    variance, quantile = _total(of_seeds, runs, of_examples, examples)
    half = quantile * math.sqrt(variance)
    low, high = center - half, center + half
    if is_proportion:
        low, high = max(-1.0, low), min(1.0, high)
    seed_sd = None if of_seeds is None else math.sqrt(of_seeds)
    return CrossedInterval(mean, runs, examples, _move(of_examples), low, high, seed_sd)


def _of_seeds(values: Outcomes) -> float | None:
    """The variance over seeds for an interval; of two or three runs that on the test set, which is larger."""
    if len(values) < 2:
        return None
    if len(values) <= 3:
        return float(values.mean(axis=1).var(ddof=1))
    return max(0.0, variance_on_distribution(values))


def _total(of_seeds: float | None, runs: int, of_examples: float, examples: int) -> tuple[float, float]:
    """The variance of a mean over seeds and examples, and the quantile of its interval."""
    seeds = 0.0 if of_seeds is None else of_seeds / runs
    variance = seeds + of_examples
    if not variance:
        return 0.0, _quantile(examples - 1)
    squared = seeds * _quantile(runs - 1) ** 2 if seeds else 0.0
    squared += of_examples * _quantile(examples - 1) ** 2
    return variance, math.sqrt(squared / variance)


def _move(of_examples: float) -> float:
    """Between two test sets, each of which contributes its own variance."""
    return float(special.ndtri((1 + LEVEL) / 2)) * math.sqrt(2 * of_examples)


@cache
def _quantile(degrees_of_freedom: int) -> float:
    return float(special.stdtrit(degrees_of_freedom, (1 + LEVEL) / 2))
