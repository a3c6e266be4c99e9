"""Gradients of all lanes are clipped as each lane's are, by kernels whose number does not grow with them."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import nn

from abreast.config.types import Config
from abreast.learner.block_step import StepConfig, clip
from abreast.learner.checkpoint import load
from abreast.stacking import chunk_step
from abreast.stacking.build import Job
from abreast.stacking.clipping import StackedClipping
from abreast.stacking.parameters import StackedState
from abreast.stacking.run import train_stack
from support.helpers import allowed
from support.operations import Counted
from support.stacks import Configs

BOUNDS = (
    None,
    StepConfig(clip_value=0.5),
    StepConfig(clip_value=1e6),
    StepConfig(clip_value=0.1, clip_algorithm="value"),
    StepConfig(),
    StepConfig(clip_value=3),
)


def stack(count: int) -> tuple[list[nn.Module], StackedState]:
    """Networks with gradients of very different norms."""
    nets: list[nn.Module] = [
        nn.Sequential(nn.Linear(5, 3), nn.Linear(3, 1, bias=False)) for _ in range(count)
    ]
    state = StackedState(nets)
    generator = torch.Generator().manual_seed(0)
    for gradient in state.gradients.values():
        for lane, values in enumerate(gradient):
            values.copy_(torch.randn(values.shape, generator=generator) * 10.0**lane)
    return nets, state


@pytest.mark.parametrize("is_known", [True, False])
def test_every_lane_is_clipped_by_its_bound(is_known: bool) -> None:
    nets, state = stack(len(BOUNDS))
    alone = copy.deepcopy(nets)
    for net, copied, bound in zip(nets, alone, BOUNDS, strict=True):
        for parameter, other in zip(net.parameters(), copied.parameters(), strict=True):
            assert parameter.grad is not None
            other.grad = parameter.grad.clone()
        if bound is not None:
            clip([*copied.parameters()], bound)
    StackedClipping(state, BOUNDS)(state.gradient_norms() if is_known else None)
    for number, (net, copied) in enumerate(zip(nets, alone, strict=True)):
        for parameter, other in zip(net.parameters(), copied.parameters(), strict=True):
            assert parameter.grad is not None
            torch.testing.assert_close(parameter.grad, other.grad)
            assert number not in (0, 2, 4) or parameter.grad.equal(other.grad)


def test_gradients_that_are_not_finite_stay_in_their_lane() -> None:
    _, state = stack(3)
    gradient = next(iter(state.gradients.values()))
    before = gradient[2].clone()
    gradient[0].fill_(torch.nan)
    gradient[1].fill_(torch.inf)
    StackedClipping(state, [StepConfig(clip_value=1), None, None])(None)
    assert gradient[0].isnan().all()
    assert gradient[1].isinf().all()
    assert gradient[2].equal(before)


def test_operations_do_not_grow_with_the_lanes() -> None:
    counts = []
    for copies in (1, 5):
        _, state = stack(len(BOUNDS) * copies)
        clipping = StackedClipping(state, BOUNDS * copies)
        with Counted() as counted:
            clipping(None)
        counts.append(counted.count)
    assert counts[0] == counts[1] > 0
    _, state = stack(2)
    with Counted() as counted:
        StackedClipping(state, (None, StepConfig()))(None)
    assert counted.count <= 1  # none has a bound


def test_a_stack_trains_as_it_does_lane_by_lane(
    configs: Configs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    each = [
        ("trainer.gradient_clip_val=0.05",),
        ("trainer.gradient_clip_val=0.002", "trainer.gradient_clip_algorithm=value"),
        (),
    ]
    runs: list[Config] = configs(("optim=momentum", "optim.lr=0.1", "trainer.max_epochs=2"), *each)
    weights = []
    for is_device in (False, True):
        monkeypatch.setattr(chunk_step, "is_on_device", lambda state, value=is_device: value)
        folder = tmp_path / str(is_device)
        with allowed():
            outcomes = train_stack([Job(run, folder / str(n)) for n, run in enumerate(runs)])
        assert all(outcome.error is None for outcome in outcomes)
        weights.append([load(folder / str(n) / "checkpoints" / "last.ckpt")["state_dict"] for n in range(3)])
    for alone, together in zip(*weights, strict=True):
        torch.testing.assert_close(alone, together, rtol=1e-4, atol=1e-5)
    names = [name for name in weights[0][0] if "weight" in name]
    assert not any(weights[0][0][name].allclose(weights[0][2][name], rtol=0.01) for name in names)
