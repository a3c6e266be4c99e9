"""Full trainings on real data: 2 stacks of 16 lanes beside the same runs trained individually."""

from __future__ import annotations

from statistics import mean
from typing import Any

import pytest

from abreast.runs.directory import RunDirectory
from support.helpers import compose
from support.stacks import Both


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize(
    "model", [("model.norm=batch", "model.hidden=[64,32]"), ("model.dropout=0.2",)], ids=" ".join
)
def test_accuracies(model: tuple[str, ...], both: Both) -> None:
    common = ("data=digits", "trainer=cpu", "logger=none", "callbacks=none", "trainer.max_epochs=6", *model)
    losses, optimizers = ("cross_entropy", "mse", "hinge", "focal"), ("adam", "momentum", "rmsprop", "muon")
    configs: list[dict[str, Any]] = [
        compose(*common, f"loss={loss}", f"optim={optim}", f"seed={(first + second) % 2}")
        for first, loss in enumerate(losses)
        for second, optim in enumerate(optimizers)
    ]
    pairs = both(configs)
    assert len(pairs) == 16
    found, expected = (
        [RunDirectory(pair[side]).read_result()["metrics"]["test/accuracy"] for pair in pairs]
        for side in range(2)
    )
    for one, other in zip(found, expected, strict=True):
        assert abs(one - other) <= 0.003
    assert abs(mean(found) - mean(expected)) <= 0.001
    assert mean(found) > 0.9  # they learn: chance is 0.1
