"""Which cells can be all that another one can be."""

from __future__ import annotations

import pytest

from abreast.study.cells import Cell
from abreast.study.criteria import Grounds, containing
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
        ((SGD, {"optim.lr": LR}), (SGD, {"optim.lr": LR}), [(0, 1), (1, 0)]),  # itself under another name
        ((SGD, {"optim.lr": Interval(0.001, 1)}), (SGD, {"optim.lr": LR}), [(0, 1)]),
        ((SGD, {"optim.lr": Values((0.2,))}), (SGD, {"optim.lr": LR}), []),
        ((SGD, {"optim.lr": LR}), (ADAM, {"optim.lr": LR}), []),
        ((SGD, {"optim.lr": LR}), (SGD, {"optim.momentum": MOMENTUM}), []),
    ],
)
def test_a_cell_within_another(first, second, expected):
    cells = [Cell(str(at), {}, (), space) for at, (_, space) in enumerate((first, second))]
    grounds = [Grounds(config, "val/accuracy", "max", 0.0) for config, _ in (first, second)]
    assert containing(cells, grounds) == expected
