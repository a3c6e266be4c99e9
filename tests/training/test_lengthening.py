"""A run is made longer only if its schedule can be; else nothing in its directory changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hydra.utils import execution_whitelist
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from abreast.build.lengthening import check_length
from abreast.cli.resume import main
from abreast.config.types import Config
from abreast.errors import ConfigError
from support.helpers import WHITELIST, allowed, compose, options
from support.resuming import check_equal

SMALL = ("data=random", "data.size=60", "data.batch_size=16", "model.hidden=[4]", "trainer.max_epochs=2")
HERE = __name__
# Those that know the training's length.
LAID_OUT = ("cosine", "linear", "one_cycle", "polynomial", "rex", "wsd", "anger21")


def laid_out(optimizer: Optimizer, total_epochs: int) -> LRScheduler:
    """A custom schedule that the run tells its length."""
    return LambdaLR(optimizer, lambda epoch: 1 - epoch / total_epochs)


def ending(optimizer: Optimizer, last: int = 2) -> LRScheduler:
    """A custom schedule that goes no further."""

    def factor(epoch: int) -> float:
        if epoch > last:
            raise ValueError(f"epoch {epoch} of {last}")
        return 1.0

    return LambdaLR(optimizer, factor)


def decaying(optimizer: Optimizer) -> LRScheduler:
    """A custom schedule that knows no length."""
    return LambdaLR(optimizer, lambda epoch: 0.9**epoch)


def contents(path: Path) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in path.rglob("*") if file.is_file()}


@pytest.mark.parametrize("schedule", ["one_cycle", "cosine", "one_cycle +schedule.scheduler.total_steps=8"])
def test_a_run_that_cannot_be_longer_is_left_alone(schedule: str, train: Callable[..., Path]) -> None:
    path = train(*SMALL, *f"schedule={schedule}".split())
    before = contents(path)
    with pytest.raises(ConfigError, match=r"trainer\.max_epochs=4: .*start a new run") as error:
        main([f"resume={path}", "trainer.max_epochs=4"])
    assert "\n" not in str(error.value)
    assert contents(path) == before


@pytest.mark.parametrize(
    "chosen",
    [
        *[(f"schedule={name}",) for name in options("schedule")],
        ("optim=ranger21",),
        ("optim=lion", "schedule=step"),
        ("optim=any", "optim.name=Yogi", "schedule=exponential"),
        ("optim=any", "optim.name=Ranger21"),
        ("ema=0.9", "data.augment={noise:0.2,mixup:0.3}", "data.pca=3"),
    ],
    ids=" ".join,
)
def test_longer_is_refused_or_bitwise_equal(
    chosen: tuple[str, ...], train: Callable[..., Path], tmp_path: Path
) -> None:
    """Whatever the schedule and the optimizer: nothing in between."""
    path = train(*SMALL, *chosen, name="short")
    before = contents(path)
    if any(name in " ".join(chosen) for name in LAID_OUT):
        with pytest.raises(ConfigError, match="start a new run"):
            main([f"resume={path}", "trainer.max_epochs=4"])
        assert contents(path) == before
        return
    with allowed():
        assert main([f"resume={path}", "trainer.max_epochs=4"]) == 0
    check_equal(train(*SMALL, "trainer.max_epochs=4", *chosen, name="whole"), path)


def with_schedule(epochs: int, **node: Any) -> Config:
    config = compose("schedule=step", f"trainer.max_epochs={epochs}")
    config["schedule"] = {"scheduler": {"_partial_": True, **node}, "interval": "epoch", "monitor": None}
    return config


@pytest.mark.parametrize(
    ("node", "refused"),
    [
        ({"_target_": f"{HERE}.laid_out"}, True),
        ({"_target_": f"{HERE}.laid_out", "total_epochs": 9}, False),  # the user's length, whatever the run's
        ({"_target_": f"{HERE}.ending"}, True),
        ({"_target_": f"{HERE}.ending", "last": 4}, False),
        ({"_target_": f"{HERE}.decaying"}, False),
        ({"_target_": "torch.optim.lr_scheduler.CosineAnnealingLR", "T_max": 2}, False),
    ],
)
def test_custom_schedules(node: dict[str, Any], refused: bool) -> None:
    with execution_whitelist([*WHITELIST, f"{HERE}.*"]):
        check_length(with_schedule(2, **node), 2, 4)
        if refused:
            with pytest.raises(ConfigError, match="max_epochs=4"):
                check_length(with_schedule(4, **node), 2, 4)
        else:
            check_length(with_schedule(4, **node), 2, 4)
