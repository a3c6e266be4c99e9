"""Performance against budget: the expected best of k trials, from the trials that were run."""

from __future__ import annotations

import math
from collections.abc import Sequence

from abreast.metrics.registry import Mode


def expected_best(scores: Sequence[float | None], mode: Mode, worst: float) -> list[float]:
    """Compute the expected best score of 1, 2, ... N trials drawn without replacement from N.

    With the scores v(1), ..., v(N) in order from worst to best, the i-th is the best of k drawn ones with
    probability C(i - 1, k - 1) / C(N, k). The result is exact for these trials, and unbiased for the random
    search that they are a sample of (Tang et al. 2020, arXiv 2004.13705). Drawing with replacement (Dodge et
    al. 2019, arXiv 1909.03004) is biased, but has a lower variance (Dodge et al. 2021, arXiv 2110.00613).

    Args:
        scores: The validation score of each trial; None for a trial that failed.
        mode: Whether the highest (`max`) or the lowest (`min`) score is best.
        worst: What a failed trial counts as; may be infinite.

    Returns:
        N values, the k-th for a budget of k trials. Infinite where all drawn trials may have failed and
        `worst` is infinite.

    >>> expected_best([0.5, 0.75, 1.0], "max", 0.0)[2]
    1.0
    """
    sign = 1.0 if mode == "max" else -1.0
    ordered = sorted(sign * (worst if score is None else score) for score in scores)
    count = len(ordered)
    curve = []
    for k in range(1, count + 1):
        terms = [
            math.comb(i - 1, k - 1) / math.comb(count, k) * ordered[i - 1]
            for i in range(k, count + 1)  # the k - 1 worst trials are never the best of k
        ]
        curve.append(sign * (math.fsum(terms) if all(map(math.isfinite, terms)) else -math.inf))
    return curve


def budgets(trials: int) -> list[int]:
    """List the powers of two below the number of trials, and that number.

    >>> budgets(5)
    [1, 2, 4, 5]
    """
    powers = [1 << power for power in range(trials.bit_length()) if 1 << power < trials]
    return [*powers, trials]
