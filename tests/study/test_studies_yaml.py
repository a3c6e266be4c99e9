"""Every study in conf/study can be run as it is, and says how."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode

from abreast.study.run import prepare
from abreast.study.space import grid_size
from support.helpers import CONF, options


@pytest.fixture
def prepared() -> Iterator[Any]:
    """Read and check a study as the command line would."""

    def preparing(*overrides: Any) -> Any:
        hydra = GlobalHydra.instance().hydra
        config = hydra.compose_config("train", list(overrides), run_mode=RunMode.MULTIRUN)
        return prepare(config, hydra.config_loader)

    with initialize_config_dir(str(CONF)):
        yield preparing


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.long) if name == "crowded_valley" else name  # 240 cells
        for name in options("study")
    ],
)
def test_it_is_sound(prepared: Any, name: str) -> None:
    found = prepared(f"+study={name}")
    plan = found.protocol
    assert plan.name == name
    assert len(plan.cells) > 1
    assert {len(cell.settings) for cell in plan.cells} == {plan.trials}
    assert len(plan.repeat_seeds) == 5
    assert not {*plan.repeat_seeds} & {*plan.tune_seeds}
    assert found.criteria.metric == "test/accuracy"
    assert {each.metric for each in found.criteria.cells} == {"val/accuracy"}
    assert f"python train.py -m +study={name}\n" in (CONF / "study" / f"{name}.yaml").read_text()


def test_the_mnist_study_is_three_losses_by_four_optimizers_by_five_learning_rates(prepared: Any) -> None:
    plan = prepared("+study=loss_x_optim", "data=mnist", "trainer.max_epochs=5").protocol
    assert len(plan.cells) == 3 * 4
    assert {grid_size(cell.space) for cell in plan.cells} == {5}
    assert {key for cell in plan.cells for key in cell.space} == {"optim.lr"}


def test_a_regression_is_compared_by_r2(prepared: Any) -> None:
    found = prepared("+study=losses", "loss=mse,huber", "data=random_regression")
    assert (found.criteria.metric, found.criteria.mode) == ("test/r2", "max")
    assert [(each.metric, each.mode) for each in found.criteria.cells] == [("val/loss", "min")] * 2
    lowest = prepared("+study=losses", "loss=mse,huber", "data=random_regression", "hydra.sweeper.metric=mae")
    assert (lowest.criteria.metric, lowest.criteria.mode) == ("test/mae", "min")
