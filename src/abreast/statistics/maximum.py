"""The distribution of the largest of several t statistics, which corrects for the number of comparisons.

The statistics share one estimate of the standard deviation with `df` degrees of freedom. Given it, their
maximum has a distribution of normal variables only, which is tabulated; the integral over the estimate is a
sum over a grid of its logarithm. Same numbers as `scipy.stats.studentized_range`, for arrays of statistics.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special

Array = NDArray[np.float64]
# pairs: all pairs of groups, two-sided (the studentized range over the square root of two; Tukey 1953).
# reference: all groups against one that the data did not choose, two-sided (Dunnett 1955).
# reference, one-sided: the same with the direction fixed, as for equivalence.
# selection: the mean of the group that has the best one, one-sided.
Family = Literal["pairs", "reference", "reference, one-sided", "selection"]

_X = np.concatenate([np.linspace(0, 12, 1201), np.linspace(12, 60, 97)[1:]])
_Z = np.linspace(-9, 9, 721)
_WEIGHTS = np.exp(-(_Z**2) / 2) / np.sqrt(2 * np.pi) * (_Z[1] - _Z[0])
_NODES = 200  # of the grid over the estimated standard deviation
LEAST_DF = 0.5


def survival(statistic: Any, groups: int, df: Any, family: Family) -> Array:
    """Return the probability that the largest statistic exceeds a value while all means are equal.

    Args:
        statistic: The values, at least 0, any shape.
        groups: Number of groups in the family, at least 2 (1 for `selection`).
        df: Degrees of freedom, broadcast against `statistic`.
        family: The comparisons that are made.

    Returns:
        The p-values, in the broadcast shape.

    >>> round(float(survival(3.0, 2, 10, "pairs")), 6) == round(2 * special.stdtr(10, -3.0), 6)
    True
    """
    t, nu = np.broadcast_arrays(np.asarray(statistic, float), np.maximum(df, LEAST_DF))
    log_s, weights = _scale(nu)
    survivals = np.interp(t[..., None] * np.exp(log_s), _X, _normal_survival(groups, family))
    return np.asarray(np.minimum((weights * survivals).sum(-1), 1.0))  # weights add up to 1 but for rounding


def critical(groups: int, df: Any, family: Family, alpha: float) -> Array:
    """Return the value that the largest statistic exceeds with probability `alpha`.

    Of two groups Student's; else interpolated in 1/df in a table that is made once for each family (error
    below 1e-4 of the value).

    Args:
        groups: Number of groups in the family.
        df: Degrees of freedom, any shape.
        family: The comparisons that are made.
        alpha: The probability, in (0, 1).
    """
    if groups == 2 and family in ("pairs", "reference"):
        return independent_critical(groups, df, alpha)
    inverse, log_values = _table(groups, family, alpha)
    return np.asarray(np.exp(np.interp(1 / np.clip(df, LEAST_DF, 1e4), inverse, log_values)))


def independent_critical(groups: int, df: Any, alpha: float) -> Array:
    """Return the critical value of independent two-sided comparisons with a reference (Šidák 1967).

    Args:
        groups: Number of groups, the reference among them.
        df: Degrees of freedom of each statistic, any shape.
        alpha: The family-wise error.
    """
    tail = -np.expm1(np.log1p(-alpha) / (groups - 1))
    return np.asarray(-special.stdtrit(np.clip(df, LEAST_DF, 1e4), tail / 2))


@lru_cache(maxsize=256)
def _normal_survival(groups: int, family: Family) -> Array:
    """The survival function on the grid for a known standard deviation."""
    phi, x, root = special.ndtr, _X[:, None], np.sqrt(2)
    if family == "pairs":
        below = groups * (_WEIGHTS * (phi(_Z) - phi(_Z - root * x)) ** (groups - 1)).sum(1)
    elif family == "reference":
        below = (_WEIGHTS * (phi(root * x + _Z) - phi(-root * x + _Z)) ** (groups - 1)).sum(1)
    elif family == "reference, one-sided":
        below = (_WEIGHTS * phi(root * x + _Z) ** (groups - 1)).sum(1)
    else:
        below = phi(_X) ** groups
    return np.asarray(np.clip(1 - below, 0, 1))


def _scale(df: Array) -> tuple[Array, Array]:
    """Nodes of the logarithm of the estimated standard deviation, and their probabilities; last axis."""
    low = np.log(2 * special.gammaincinv(df / 2, 1e-9) / df) / 2
    high = np.log(2 * special.gammainccinv(df / 2, 1e-12) / df) / 2
    nodes = low[..., None] + (high - low)[..., None] * np.linspace(0, 1, _NODES)
    density = df[..., None] * (nodes - np.exp(2 * nodes) / 2)
    density = np.exp(density - density.max(-1, keepdims=True))
    return nodes, density / density.sum(-1, keepdims=True)


@lru_cache(maxsize=256)
def _table(groups: int, family: Family, alpha: float) -> tuple[Array, Array]:
    inverse = np.concatenate([np.linspace(1e-4, 1, 120), np.linspace(1, 1 / LEAST_DF, 40)[1:]])
    low, high = np.full(len(inverse), 1e-3), np.full(len(inverse), 1e7)
    log_s, weights = _scale(1 / inverse)
    normal = _normal_survival(groups, family)
    for _ in range(45):
        middle = np.sqrt(low * high)
        p = (weights * np.interp(middle[:, None] * np.exp(log_s), _X, normal)).sum(-1)
        low, high = np.where(p > alpha, middle, low), np.where(p > alpha, high, middle)
    return inverse, np.log(high)
