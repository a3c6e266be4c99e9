"""Which cells contain every configuration of another one."""

from __future__ import annotations

from typing import Any

import pytest

from abreast.study.cells import Cell
from abreast.study.criteria import Criterion, containing_pairs
from abreast.study.space import Interval, Values

LR = Values((0.1, 0.01))
MOMENTUM = Values((0.0, 0.9))
SGD = {"optim": {"lr": 0.1, "momentum": 0.0}}
HEAVY = {"optim": {"lr": 0.1, "momentum": 0.9}}
ADAM = {"optim": {"lr": 0.1, "betas": [0.9, 0.999]}}


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ((HEAVY, {"optim.lr": LR, "optim.momentum": MOMENTUM}), (SGD, {"optim.lr": LR}), [(0, 1)]),
        ((HEAVY, {"optim.lr": LR, "optim.momentum": Values((0.5, 0.9))}), (SGD, {"optim.lr": LR}), []),
        ((HEAVY, {"optim.lr": LR}), (SGD, {"optim.lr": LR}), []),
        (
            (SGD, {"optim.lr": LR}),
            (SGD, {"optim.lr": LR}),
            [(0, 1), (1, 0)],
        ),  # the same cell under another name
        ((SGD, {"optim.lr": Interval(0.001, 1)}), (SGD, {"optim.lr": LR}), [(0, 1)]),
        ((SGD, {"optim.lr": Values((0.2,))}), (SGD, {"optim.lr": LR}), []),
        ((SGD, {"optim.lr": LR}), (ADAM, {"optim.lr": LR}), []),
        ((SGD, {"optim.lr": LR}), (SGD, {"optim.momentum": MOMENTUM}), []),
    ],
)
def test_a_cell_that_contains_another(first: Any, second: Any, expected: list[tuple[int, ...]]) -> None:
    cells = [Cell(str(index), {}, (), space) for index, (_, space) in enumerate((first, second))]
    criteria = [Criterion(config, "val/accuracy", "max", 0.0) for config, _ in (first, second)]
    assert containing_pairs(cells, criteria) == expected
