"""The options of `optim` as the tests run through them: of the many of other packages a few stand for all."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest

from support.helpers import option, options

ALONE = ("lbfgs", "sam", "sophia")  # not stacked: they take more of a step than its gradient
# Of the others one each of: shared by lanes, a wrapper, a state of matrices, state in its groups, `by_name`.
FEW = ("lion", "lookahead", "soap", "prodigy", "any", *ALONE)
OF_TORCH = [
    name
    for name in options("optim")
    if option("optim", name)["_target_"].startswith(("torch.", "schedulefree.", "abreast.optim.Muon"))
]
OTHERS = [name for name in options("optim") if name not in OF_TORCH]
assert {*FEW} <= {*OTHERS, "lbfgs"}
SHORT = [*OF_TORCH, *(name for name in OTHERS if name in FEW)]
STACKED = [name for name in SHORT if name not in ALONE]


def optimizers(but: Collection[str] = ()) -> list[Any]:
    """Every optimizer as a test's parameter; the many of other packages are left to `make test-long`."""
    return [
        pytest.param(name, marks=() if name in SHORT else pytest.mark.long)
        for name in options("optim")
        if name not in but
    ]
