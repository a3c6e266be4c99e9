"""Correction of p-values of unrelated tests for their number."""

from __future__ import annotations

from collections.abc import Sequence


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values for their number.

    Step-down method of Holm (1979), Scand. J. Statist. 6, 65-70, by `statsmodels.stats.multitest`.

    Args:
        p_values: Uncorrected p-values.

    Returns:
        The corrected p-values, in the same order.

    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03, 0.005])]
    [0.03, 0.06, 0.06, 0.02]
    """
    if len(p_values) < 2:
        return list(p_values)
    from statsmodels.stats.multitest import multipletests

    return [float(p) for p in multipletests(p_values, method="holm")[1]]
