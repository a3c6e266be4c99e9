"""One update for many lanes on a device is, in either form, that of their optimizers within rounding."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import product
from typing import Any

import pytest
import torch
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop
from torch.optim.lr_scheduler import OneCycleLR

from abreast.stacking.optimizers import update_check
from abreast.stacking.optimizers.device_update import Apply, DeviceUpdate, apply_formulas
from abreast.stacking.optimizers.lane_state import cloned
from abreast.stacking.optimizers.rules import flags
from abreast.stacking.optimizers.update_check import proven_apply, why_not_close
from stacking.optimizers.test_slab_update import BETAS, CASES, DECAYS, IDS, LANES, MOMENTA, Pair, Swept


@pytest.fixture(autouse=True)
def double_precision() -> Iterator[None]:
    """Lets a wrong formula show where float32 would round it away."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


@pytest.fixture(scope="module")
def interpreted() -> Apply:
    """The update by Triton kernels, in its interpreter."""
    triton = pytest.importorskip("triton")
    update = importlib.import_module("abreast.stacking.optimizers.triton_update")
    spec = importlib.util.spec_from_file_location("interpreted_kernels", update.triton_kernels.__file__)
    assert spec is not None
    assert spec.loader is not None
    kernels = importlib.util.module_from_spec(spec)
    with triton.knobs.runtime.scope():
        triton.knobs.runtime.interpret = True
        spec.loader.exec_module(kernels)
    table = {
        rule: kernel._replace(function=getattr(kernels, kernel.function.__name__))
        for rule, kernel in update.KERNELS.items()
    }
    apply: Apply = partial(update.apply_kernel, kernels=table)
    return apply


class DevicePair(Pair):
    """The same lanes twice: updated together as on a device, and each by its optimizer."""

    def __init__(self, apply: Apply, kind: type[Optimizer], fixed: dict[str, Any], swept: Swept) -> None:
        self.apply = apply
        super().__init__(kind, fixed, swept)

    def join(self) -> None:
        first = self.lanes[0].optimizer
        on = flags(first, first.param_groups[0])
        assert on is not None
        self.joint = DeviceUpdate(on, self.lanes, self.state, self.apply)

    def step(self, *, spoiled: int | None = None) -> None:
        self.step_alone(spoiled)
        self.joint.prepare()
        self.joint.step()

    def check_close(self, lanes: Sequence[int] = range(LANES)) -> None:
        for lane in lanes:
            for one, other in zip(self.nets[lane], self.others[lane], strict=True):
                torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-9)


def take(pair: DevicePair, steps: int) -> None:
    for _ in range(steps):
        pair.step()
        for optimizer in (*pair.alone, *(lane.optimizer for lane in pair.lanes)):
            optimizer.param_groups[0]["lr"] *= 0.7


@pytest.mark.parametrize(("kind", "fixed", "swept"), CASES, ids=IDS)
def test_torchs_operations_are_those_of_each_optimizer(
    kind: type[Optimizer], fixed: dict[str, Any], swept: Swept
) -> None:
    pair = DevicePair(apply_formulas, kind, fixed, swept)
    take(pair, 8)
    pair.check_close()
    for lane, alone in zip(pair.lanes, pair.alone, strict=True):  # the same state, ready to be loaded
        joint, expected = lane.optimizer.state_dict()["state"], alone.state_dict()["state"]
        torch.testing.assert_close(joint, expected, rtol=1e-6, atol=1e-9, check_dtype=False)


@pytest.mark.parametrize(("kind", "fixed", "swept"), CASES, ids=IDS)
def test_kernels_are_torchs_operations(
    kind: type[Optimizer], fixed: dict[str, Any], swept: Swept, interpreted: Apply
) -> None:
    pair = DevicePair(interpreted, kind, fixed, swept)
    take(pair, 2)
    pair.check_close()


@pytest.mark.parametrize("every_flag", [False, pytest.param(True, marks=pytest.mark.long)])
@pytest.mark.parametrize(
    "capability", [pytest.param(80, marks=pytest.mark.long), 90, pytest.param(100, marks=pytest.mark.long)]
)
def test_kernels_compile_for_cards_that_are_not_here(
    capability: int, every_flag: bool, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler = pytest.importorskip("triton.compiler")
    target = importlib.import_module("triton.backends.compiler").GPUTarget("cuda", capability, 32)
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    for kernel in importlib.import_module("abreast.stacking.optimizers.triton_update").KERNELS.values():
        function = kernel.function
        for on in product((True, False), repeat=len(kernel.flags)) if every_flag else [(True,) * 3]:
            values = {**dict(zip(kernel.flags, on, strict=False)), "size": 1024}
            constants = {(p.num,): values[p.name] for p in function.params if p.is_constexpr}
            types = {"active": "*u8", "values": "i32", "stride": "i32", **dict.fromkeys(values, "constexpr")}
            signature = {p.name: types.get(p.name, "*fp32") for p in function.params}
            made = compiler.compile(compiler.ASTSource(function, signature, constants), target=target)
            assert f".target sm_{capability}" in made.asm["ptx"]


@pytest.mark.parametrize("kind", [SGD, Adam])
def test_a_lane_is_updated_no_more_once_its_loss_is_not_finite(
    kind: type[Optimizer], interpreted: Apply
) -> None:
    for apply in (apply_formulas, interpreted):
        pair = DevicePair(apply, kind, {"weight_decay": 0.1}, {})
        for step in range(3):
            if step == 1:
                before = [parameter.detach().clone() for parameter in pair.nets[1]]
                pair.joint.freeze(torch.tensor([True, False, True, True]))
            pair.step(spoiled=1 if step else None)
        pair.check_close([0, 2, 3])
        for parameter, value in zip(pair.nets[1], before, strict=True):
            assert parameter.equal(value)


@pytest.mark.parametrize("kind", [SGD, AdamW])
def test_the_first_step_after_a_checkpoint_is_bitwise_that_of_an_update_that_was_not_stopped(
    kind: type[Optimizer],
) -> None:
    momenta = {**MOMENTA, "dampening": [0.0, 0.1, 0.5, 0.9]} if kind is SGD else BETAS
    pairs = [DevicePair(apply_formulas, kind, {}, {**DECAYS, **momenta}) for _ in range(2)]
    for pair in pairs:
        take(pair, 3)
    stopped = pairs[1]
    for number, lane in enumerate(stopped.lanes):
        state = cloned(lane.optimizer.state_dict())
        lane.optimizer = stopped.make(lane.net, number)
        lane.optimizer.load_state_dict(state)
    stopped.join()
    for pair in pairs:
        take(pair, 2)
    for one, other in zip(*(pair.nets for pair in pairs), strict=True):
        assert all(map(torch.equal, one, other))


def test_a_schedule_may_change_momentum_with_every_step_and_switch_it_on() -> None:
    pair = DevicePair(apply_formulas, SGD, {}, {"momentum": [0.0] * 4})
    pair.step()
    assert not any(lane.optimizer.state for lane in pair.lanes)
    optimizers = [*pair.alone, *(lane.optimizer for lane in pair.lanes)]
    for optimizer in optimizers:
        optimizer.param_groups[0]["momentum"] = 0.9
    schedules = [OneCycleLR(optimizer, 0.1, total_steps=8) for optimizer in optimizers]
    for _ in range(6):
        pair.step()
        for schedule in schedules:
            schedule.step()
    pair.check_close()


def test_a_form_that_is_wrong_is_not_used_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    pair = DevicePair(apply_formulas, RMSprop, {}, {})
    items = (*pair.joint.on.items(),)
    cpu = torch.device("cpu")
    assert proven_apply(RMSprop, items, cpu) is apply_formulas

    def wrong(rule: Any, slab: Any, factors: Any, on: Any) -> None:
        apply_formulas(rule, slab, factors, on)
        slab.weight[1].mul_(1.01)

    assert "differs from the optimizer's" in (why_not_close(RMSprop, items, cpu, wrong) or "")
    told: list[str] = []
    monkeypatch.setattr(update_check.log, "info", lambda line, *values: told.append(line % values))
    monkeypatch.setattr(update_check, "apply_formulas", wrong)
    proven_apply.cache_clear()
    assert proven_apply(RMSprop, items, cpu) is None
    proven_apply.cache_clear()
    (line,) = told
    assert line.startswith("No update of RMSprop for all lanes at once")
