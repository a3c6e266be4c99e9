"""The additive model of groups and blocks: what runs with the same seed share is taken out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class BlockFit:
    """Least squares of value = group + block, over simulations or a single data set.

    Attributes:
        means: The groups' means, adjusted for the blocks that each has, shape (data sets, groups).
        variances: Variance of the groups' residuals over their degrees of freedom; 0 without any.
        df: Degrees of freedom of the residuals of each group.
        weights: 1 where a group has a value in a block, shape (data sets or 1, groups, blocks).
        inverse: Inverse of the reduced normal equations, shape (data sets or 1, blocks, blocks).
        component: A number that groups linked by common blocks share, shape (data sets or 1, groups).
    """

    means: Array
    variances: Array
    df: Array
    weights: Array
    inverse: Array
    component: NDArray[np.intp]

    @property
    def is_complete(self) -> bool:
        """Whether every group has a value in every block."""
        return bool(self.weights.all())

    def pair_weights(self, group: int, reference: NDArray[np.intp]) -> Array:
        """Return how much the variance of each group enters that of a difference of adjusted means.

        Args:
            group: Index of the group.
            reference: Index of the reference in each data set, shape (data sets,).

        Returns:
            Factors of the groups' variances, shape (data sets, groups).
        """
        rows = np.arange(len(reference))
        n = np.maximum(self.weights.sum(2), 1)
        groups = n.shape[1]
        one = np.zeros((len(rows), groups))
        one[:, group] += 1
        one[rows, reference] -= 1
        if self.is_complete:
            return np.asarray(one**2 / n)
        share = self.weights / n[..., None]
        of_reference = share[rows, reference] if len(share) > 1 else share[0, reference]
        difference = share[:, group] - of_reference  # (data sets, blocks)
        shift = np.einsum("...bc,...c->...b", self.inverse, difference)[:, None, :]
        centre = (share * shift).sum(2, keepdims=True)
        factors = self.weights * ((one / n)[..., None] - (shift - centre))
        return np.asarray((factors**2).sum(2))


def fit_blocks(values: Array, has: Mask) -> BlockFit:
    """Fit group and block effects by least squares; blocks may be incomplete.

    Each group's residual sum of squares is divided by its own degrees of freedom, the sum of 1 - leverage
    over its values. For a complete table these are (blocks - 1)(groups - 1)/groups, and for two groups the
    difference of the means has Student's paired t.

    Args:
        values: Shape (data sets, groups, blocks); anything where `has` is false.
        has: Where there is a value, shape (data sets or 1, groups, blocks).
    """
    weights = has.astype(float)
    n = np.maximum(weights.sum(2), 1)
    share = weights / n[..., None]
    filled = np.where(has, values, 0.0)
    plain = filled.sum(2) / n
    blocks = weights.shape[2]
    normal = weights.sum(1)[..., None] * np.eye(blocks) - np.swapaxes(weights, 1, 2) @ share
    inverse = np.linalg.pinv(normal, rcond=1e-9, hermitian=True)
    effects = np.einsum("...bc,...c->...b", inverse, (weights * (filled - plain[..., None])).sum(1))
    means = plain - (share * effects[:, None, :]).sum(2)
    residuals = weights * (filled - means[..., None] - effects[:, None, :])
    projected = share @ inverse
    leverage = (
        1 / n[..., None]
        + np.diagonal(inverse, axis1=1, axis2=2)[:, None, :]
        - 2 * projected
        + (projected * share).sum(2, keepdims=True)
    )
    df = (weights * (1 - leverage)).sum(2)
    df = np.where(df > 1e-6, df, 0.0)
    squares = (residuals**2).sum(2)
    variances = np.where(df > 0, squares / np.where(df > 0, df, 1.0), 0.0)
    return BlockFit(means, variances, np.broadcast_to(df, means.shape), weights, inverse, _components(has))


def _components(has: Mask) -> NDArray[np.intp]:
    """Number the connected components of groups and blocks; time and memory grow with the values alone."""
    groups, blocks = has.shape[1:]
    numbers = np.empty(has.shape[:2], dtype=np.intp)
    for index, values in enumerate(has):
        group, block = np.nonzero(values)
        size = groups + blocks
        graph = sparse.coo_array((np.ones(len(group)), (group, groups + block)), shape=(size, size))
        numbers[index] = sparse.csgraph.connected_components(graph, directed=False)[1][:groups]
    return numbers
