"""Which lanes of a chunk are updated together."""

from __future__ import annotations

from typing import Any

import pytest
from torch.optim import Adam

from abreast.stacking import chunk_step
from abreast.stacking.grouping import plan
from abreast.stacking.optimizers import steppers
from abreast.stacking.optimizers.slab_update import SlabUpdate
from abreast.stacking.optimizers.update_check import exact_width
from support.stacks import Both, Check, Configs

Seen = list[tuple[str, int]]  # the name of a stepper's class and its lanes


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    """What steps the lanes of chunks that are built from now on."""
    result: Seen = []
    make = steppers.steppers

    def watched(*arguments: Any) -> Any:
        made: list[Any] = [*make(*arguments)]
        result.extend((type(stepper).__name__, len(stepper.lanes)) for stepper in made)
        return made

    monkeypatch.setattr(chunk_step, "steppers", watched)
    return result


def test_lanes_of_different_settings_are_updated_together(
    configs: Configs, both: Both, check: Check, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    joint: list[bool] = []
    step = SlabUpdate.step

    def watched(self: SlabUpdate) -> None:
        step(self)
        joint.append(self.is_joint)

    monkeypatch.setattr(SlabUpdate, "step", watched)
    adam = [(f"optim.lr={lr}", "optim.weight_decay=0.1", f"seed={n}") for n, lr in enumerate((1e-3, 0.02))]
    scheduled = [(f"optim.lr={lr}", "schedule=cosine", "optim=adamw") for lr in (0.01, 0.03, 0.1)]
    rmsprop = [("optim=rmsprop", f"optim.lr={lr}", "seed=1") for lr in (0.01, 0.02)]
    clipped = [("optim=momentum", f"trainer.gradient_clip_val={value}", "seed=2") for value in (0.1, 1.0)]
    lanes = [*adam, *scheduled, *rmsprop, *clipped]
    for lane, plain in both(configs((), *lanes)):
        check(lane, plain)
    assert sorted(seen) == [("SlabUpdate", 2)] * 3 + [("SlabUpdate", 3)]
    assert all(joint)


@pytest.mark.parametrize(
    "lanes",
    [
        (("optim=adam", "optim.amsgrad=true"), ("optim=adam", "optim.amsgrad=true", "optim.lr=0.1")),
        (("optim=adam",), ("optim=rmsprop",)),
        (("optim=muon",), ("optim=muon", "optim.lr=0.1")),
        (("optim=lion", "ema=0.9"), ("optim=lion", "ema=0.9", "optim.lr=0.1")),
        (("optim=adam", "seed=0"), ("optim=adam", "seed=1")),  # one call for both
    ],
    ids=lambda lanes: " ".join(lanes[0]),
)
def test_others_are_stepped_by_their_optimizers(
    lanes: Any, configs: Configs, both: Both, check: Check, seen: Seen
) -> None:
    wide = "model.hidden=[128]" if "seed=1" in lanes[1] else "model.hidden=[12]"
    for lane, plain in both(configs(("trainer.max_epochs=2", wide), *lanes)):
        check(lane, plain)
    assert {name for name, _ in seen} == {"OptimizerGroup"}


def test_lanes_that_use_the_same_settings_are_neighbours(configs: Configs) -> None:
    """A momentum or weight decay of 0 is another update; learning rates do not come between."""
    rates = (0.1, 0.01, 0.03)
    lanes = [(f"optim.lr={lr}", f"optim.momentum={m}") for lr in rates for m in (0.0, 0.9)]
    sweep = configs(("optim=sgd",), *lanes)
    (order,) = plan(sweep).stacks
    assert [sweep[number]["optim"]["momentum"] for number in order] == [0.0] * 3 + [0.9] * 3
    assert [sweep[number]["optim"]["lr"] for number in order] == sorted(rates) * 2


def test_what_is_not_exact_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    flags = (("fused", False), ("momentum", False), ("nesterov", False), ("weight_decay", True))
    more = (("centered", False), ("decoupled_weight_decay", False), ("fixed_decay", False))
    exact_width.cache_clear()
    assert exact_width(Adam, (*flags, *more)) == 0

    def coarse(square: Any, grad: Any, keep: Any, new: Any, scratch: Any) -> None:
        square.mul_(keep).add_(grad * grad * new)

    from abreast.stacking.optimizers import formulas as slab_formulas

    monkeypatch.setattr(slab_formulas, "_add_squares", coarse)
    exact_width.cache_clear()
    assert exact_width(Adam, (*flags, *more)) is None
    exact_width.cache_clear()
