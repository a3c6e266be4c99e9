"""Variances of few values each, steadied by those of all groups and by the grid that values lie on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

Array = NDArray[np.float64]

ROUNDING = 1e-7  # relative: metrics are stored with seven digits
PRIOR_DF = 2.0  # weight of the typical variance of all groups, in degrees of freedom
MOST_GAINED = 1.0  # of those, what counts as knowledge where groups have alike variances
LEAST_GROUPS = 3  # with fewer, nothing is typical


def moderated(variance: Array, df: Array, counted: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Raise variances that are small by chance towards the typical variance of all groups.

    The moderated variance of Smyth (2004, Stat. Appl. Genet. Mol. Biol. 3(1), 3; the `limma` of genomics) is
    the mean of the own and the typical variance, weighted by degrees of freedom. It holds where all
    variances are draws of one distribution. Here groups may differ, so it only ever raises: a variance above
    the typical one stays, its group cannot borrow precision from steadier ones. The prior has `PRIOR_DF`
    degrees of freedom. Of these at most `MOST_GAINED` is counted, and less where variances differ by more
    than chance explains (`prior_df`); docs/statistics.md has the simulations.

    Args:
        variance: Variances, positive, shape (..., groups).
        df: Their degrees of freedom, same shape.
        counted: Which groups have a variance, same shape.

    Returns:
        The raised variances and their degrees of freedom; unchanged with fewer than three groups.
    """
    known = counted & (df > 0)
    safe_df = np.where(known, df, 1.0)
    # The mean of the logarithm of a chi-square variable over its degrees of freedom.
    bias = special.digamma(safe_df / 2) - np.log(safe_df / 2)
    logs = np.where(known, np.log(np.where(known, variance, 1.0)) - bias, 0.0)
    groups = known.sum(-1, keepdims=True)
    typical = np.exp(logs.sum(-1, keepdims=True) / np.maximum(groups, 1))
    raised = (PRIOR_DF * typical + safe_df * variance) / (PRIOR_DF + safe_df)
    enough = groups >= LEAST_GROUPS
    gained = np.minimum(prior_df(logs, safe_df, known) / 4, MOST_GAINED)
    return (
        np.where(known & enough, np.maximum(variance, raised), variance),
        np.where(known & enough, df + gained, df),
    )


def prior_df(logs: Array, df: Array, known: NDArray[np.bool_]) -> Array:
    """Estimate cautiously how alike variances are, as the degrees of freedom of Smyth's prior.

    The variance of the logarithms beyond that of chi-square variables is trigamma(prior df / 2). One standard
    error is added to it, so that few groups do not pass as alike.

    Args:
        logs: Logarithms of the variances without their bias, shape (..., groups).
        df: Degrees of freedom, positive, same shape.
        known: Which groups have a variance, same shape.

    Returns:
        Shape (..., 1), at most 100.
    """
    groups = np.maximum(known.sum(-1, keepdims=True), 2)
    centre = np.where(known, logs, 0).sum(-1, keepdims=True) / groups
    seen = np.where(known, (logs - centre) ** 2, 0).sum(-1, keepdims=True) / (groups - 1)
    noise = np.where(known, special.polygamma(1, df / 2), 0).sum(-1, keepdims=True) / groups
    fourth = np.where(known, special.polygamma(3, df / 2), 0).sum(-1, keepdims=True) / groups
    error = np.sqrt(fourth / groups + 2 * noise**2 / (groups - 1))
    excess = np.maximum(seen - noise, 0) + error
    return np.minimum(2 * _inverse_trigamma(np.maximum(excess, 0.02)), 100.0)


def _inverse_trigamma(value: Array) -> Array:
    """Newton's iteration of Smyth (2004), appendix."""
    x = 0.5 + 1 / value
    for _ in range(8):
        slope = special.polygamma(1, x)
        x = x + slope * (1 - slope / value) / special.polygamma(2, x)
    return np.asarray(x)


def least_variance(values: Array, step: float | None) -> Array:
    """Return the variance below which no sample shows the variance of what it was drawn from.

    Values on a grid, such as shares of 360 examples, can all be equal by chance: a variable that takes two
    neighbouring values has a variance of up to step²/4. Without a grid, only the rounding is left.

    Args:
        values: The values, shape (..., groups, blocks); NaN where there is none.
        step: The distance of neighbouring values; None if they lie on no grid.

    Returns:
        The least variance, shape (..., 1).
    """
    size = np.nanmax(np.abs(values), axis=(-2, -1), initial=1e-30)[..., None]
    rounding = (ROUNDING * size) ** 2
    return np.asarray(np.maximum(rounding, step**2 / 4) if step else rounding)


def grid_step(values: Any, examples: int | None = None) -> float | None:
    """Find the grid that all values lie on.

    Args:
        values: The values, any shape; NaN where there is none.
        examples: Number of test examples, where the metric should be a share of them.

    Returns:
        One share, if the values are multiples of it. Else the smallest distance of two different values, if
        all distances are multiples of it; else None.

    >>> grid_step([0.5, 0.75, 1.0, 0.25])
    0.25
    >>> grid_step([0.5, 0.5], examples=100)
    0.01
    >>> grid_step([0.5, 0.5123, 0.777]) is None
    True
    """
    known = np.asarray(values, dtype=float).ravel()
    known = np.unique(known[np.isfinite(known)])
    if examples and len(known):
        off = np.abs(known * examples - np.round(known * examples))
        if float(off.max()) <= 1e-3 + 2 * ROUNDING * examples:
            return 1 / examples
    if len(known) < 2:
        return None
    tolerance = 5 * ROUNDING * float(np.abs(known).max())
    gaps = np.diff(known)
    gaps = gaps[gaps > tolerance]
    if not len(gaps):
        return None
    step = float(gaps.min())
    off = np.abs(gaps - step * np.round(gaps / step))
    return step if step > 20 * tolerance and float(off.max()) <= 2 * tolerance else None
