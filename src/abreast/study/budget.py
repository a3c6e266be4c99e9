"""What a smaller budget would have given: the expected best of k trials out of those that were made."""

from __future__ import annotations

import math
from collections.abc import Sequence


def expected_best(values: Sequence[float | None], mode: str, worst: float) -> list[float]:
    """The expected best value of 1, 2, ... N trials drawn without replacement from the N that were made.

    values: a validation score a trial, None for one that failed, which counts as `worst` (may be infinite).
    mode: `max` or `min`. Infinite where the trials drawn may all have failed and `worst` is infinite.

    With the values in order from worst to best, the i-th is the best of k with probability
    C(i - 1, k - 1) / C(N, k). Exact for the trials at hand, and unbiased for the random search they are from
    (Tang et al. 2020, arXiv 2004.13705); drawing with replacement (Dodge et al. 2019, arXiv 1909.03004) is
    not, but varies less (Dodge et al. 2021, arXiv 2110.00613).
    """
    sign = 1.0 if mode == "max" else -1.0
    ordered = sorted(sign * (worst if value is None else value) for value in values)
    count = len(ordered)
    curve = []
    for k in range(1, count + 1):
        terms = [
            math.comb(i - 1, k - 1) / math.comb(count, k) * ordered[i - 1]
            for i in range(k, count + 1)  # the k-1 worst cannot be the best of k
        ]
        curve.append(sign * (math.fsum(terms) if all(map(math.isfinite, terms)) else -math.inf))
    return curve


def budgets(trials: int) -> list[int]:
    """1, 2, 4, ... and all the trials."""
    powers = [1 << power for power in range(trials.bit_length()) if 1 << power < trials]
    return [*powers, trials]
