"""Differences between groups and a reference, with standard errors and critical values, as arrays.

The core of every verdict: `compare` calls it with one data set, `scripts/calibrate.py` with thousands.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from abreast.statistics.blocks import fit_blocks
from abreast.statistics.maximum import Family, critical, independent_critical
from abreast.statistics.variance import least_variance, moderated

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

# The blocked estimate may cost a quarter of the precision that all values have without blocks, and each
# group must keep a third of its degrees of freedom; else the blocks that groups share are ignored.
MOST_VARIANCE = 1.25
LEAST_SHARE = 0.35


@dataclass(frozen=True)
class Contrasts:
    """Every group's mean less that of the reference; shapes are (data sets, groups).

    Attributes:
        difference: The difference of the means, adjusted for common blocks where `blocked`.
        error: Its standard error; infinite where no test is possible.
        df: Degrees of freedom of the error.
        critical: Ratio of difference and error above which a difference is significant.
        blocked: Whether what common blocks share was taken out.
        shared: How far critical values lie between those of independent comparisons (0) and Dunnett's (1),
            shape (data sets,). Comparisons with a reference that has hardly any error are independent; with
            one that has half of it they correlate by 0.5. Between, critical values fall by the square.
        tested: Whether a test is possible: two values at least in the group and in the reference.
        groups: Number of groups that the critical values count.
    """

    difference: Array
    error: Array
    df: Array
    critical: Array
    blocked: Mask
    shared: Array
    tested: Mask
    groups: int

    @property
    def significant(self) -> Mask:
        """Where the difference is significant."""
        return np.asarray(self.tested & (np.abs(self.difference) > self.critical * self.error))


def contrasts(
    values: Array,
    reference: NDArray[np.intp],
    family: Family,
    *,
    alpha: float = 0.05,
    step: float | None = None,
    overlap: float = 0.0,
) -> Contrasts:
    """Compare every group with a reference.

    The error of a difference is that of Games and Howell (1976, J. Educ. Stat. 1, 113-125): each group has
    its own variance, the degrees of freedom are those of Welch and Satterthwaite. Variances are those of the
    residuals of groups and blocks (`fit_blocks`), raised where they are small by chance (`moderated`), and
    no smaller than what the grid of values can show (`least_variance`).

    Args:
        values: Shape (data sets, groups, blocks); NaN where a group has no value in a block.
        reference: Index of the reference in each data set, shape (data sets,).
        family: `pairs` where the data chose the reference, `reference` where they did not.
        alpha: The family-wise error.
        step: The distance of neighbouring values, where the metric lies on a grid.
        overlap: Where blocks are splits of the same data: test examples per training example (Nadeau and
            Bengio 2003, Machine Learning 52, 239-281; the variance grows by 1 + splits times this).

    Returns:
        The contrasts; that of the reference with itself is 0 and not tested.
    """
    shape, rows = values.shape[:2], np.arange(len(values))
    has = np.isfinite(values)
    are_shared = bool((has.sum(1) > 1).any())
    if not are_shared:  # as many blocks as values: the groups have none in common
        values, has = _packed(values, has)
    has = has[:1] if (has == has[:1]).all() else has
    count = np.broadcast_to(has.sum(2), shape)
    enough = count >= 2
    floor = least_variance(values, step)
    # The values of groups with a single one say nothing of variance; they still have a mean.
    fit = fit_blocks(values, has)
    inner, inner_df = moderated(np.maximum(fit.variances, floor), fit.df, enough)
    plain_mean, plain, plain_df = _unblocked(values, has)
    plain, plain_df = moderated(np.maximum(plain, floor), plain_df, enough)
    keeps = fit.df >= LEAST_SHARE * np.maximum(count - 1, 1)
    counts = np.maximum(count, 1)
    component = np.broadcast_to(fit.component, shape)
    result = {name: np.zeros(shape) for name in ("difference", "error", "df")}
    blocked = np.zeros(shape, dtype=bool)
    of_means: list[Array] = []
    for group in range(shape[1]):
        separate = 1 / counts[:, group] + 1 / counts[rows, reference]
        factors = fit.pair_weights(group, reference)
        together = factors.sum(1)
        use = keeps[:, group] & keeps[rows, reference]
        use &= are_shared & (component[:, group] == component[rows, reference])
        use &= together <= MOST_VARIANCE * separate
        alone = _factors(group, reference, 1 / counts)
        parts = np.where(use[:, None], factors * inner, alone * plain)
        df = np.where(use[:, None], inner_df, plain_df)
        variance = parts.sum(1)
        below = np.where(parts > 0, parts**2 / np.maximum(df, 1e-9), 0.0).sum(1)
        blocks = 2 / np.maximum(np.where(use, together, separate), 1e-12)
        means = np.where(use[:, None], fit.means, plain_mean)
        result["difference"][:, group] = means[:, group] - means[rows, reference]
        result["error"][:, group] = np.sqrt(variance * (1 + blocks * overlap))
        result["df"][:, group] = variance**2 / np.maximum(below, 1e-300)
        blocked[:, group] = use
        of_means.append(np.where(use, inner[:, group], plain[:, group]) / counts[:, group])
    tested = enough & enough[rows, reference][:, None]
    tested[rows, reference] = False
    groups = max(2, int(enough.sum(1).max()))
    shared = _shared(np.stack(of_means, axis=1), reference, tested)
    limits = critical(groups, result["df"], family, alpha)
    if family != "pairs":
        apart = independent_critical(groups, result["df"], alpha)
        limits = shared[:, None] * limits + (1 - shared[:, None]) * apart
    error = np.where(tested, result["error"], np.inf)
    return Contrasts(result["difference"], error, result["df"], limits, blocked, shared, tested, groups)


def _shared(variances: Array, reference: NDArray[np.intp], tested: Mask) -> Array:
    """`Contrasts.shared`, from the variances of the groups' means."""
    mine = variances[np.arange(len(reference)), reference][:, None]
    # Comparisons i and j correlate by the root of the product of the reference's shares of their variances.
    root = np.where(tested, np.sqrt(mine / np.maximum(variances + mine, 1e-300)), 0.0)
    correlation = (root.sum(1) / np.maximum(tested.sum(1), 1)) ** 2
    return np.asarray(np.minimum(1.0, 2 * correlation) ** 2)


def _packed(values: Array, has: Mask) -> tuple[Array, Mask]:
    """The values of each group without gaps between them, in their order."""
    order = np.argsort(~has, axis=2, kind="stable")[:, :, : max(1, int(has.sum(2).max(initial=0)))]
    return np.take_along_axis(values, order, axis=2), np.take_along_axis(has, order, axis=2)


def _unblocked(values: Array, has: Mask) -> tuple[Array, Array, Array]:
    n = np.maximum(has.sum(2), 1)
    filled = np.where(has, values, 0.0)
    means = filled.sum(2) / n
    squares = (np.where(has, values - means[..., None], 0.0) ** 2).sum(2)
    df = np.broadcast_to(n - 1.0, means.shape)
    return means, squares / np.maximum(df, 1), df


def _factors(group: int, reference: NDArray[np.intp], inverse_counts: Array) -> Array:
    factors = np.zeros(inverse_counts.shape)
    factors[:, group] = inverse_counts[:, group]
    rows = np.arange(len(reference))
    factors[rows, reference] += np.where(reference == group, 0.0, inverse_counts[rows, reference])
    return factors
