"""Layers in their forms for other devices are those of the CPU within rounding, and launch no lane alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from abreast.models import Residual
from abreast.runtime.matmul_precision import matmul_precision
from abreast.stacking import sequential
from abreast.stacking.layers import STACKED_LAYERS, device_forms
from abreast.stacking.layers.layer import DEVICE_FORMS
from abreast.stacking.parameters import StackedState
from abreast.stacking.sequential import StackedSequential
from support.operations import Counted

BATCH = 9
Make = Callable[[], nn.Module]
NETS: dict[str, tuple[tuple[int, ...], Make]] = {
    "linear": ((5,), lambda: nn.Sequential(nn.Linear(5, 1), nn.ReLU(), nn.Linear(1, 16, bias=False))),
    "batch norm": (
        (6,),
        lambda: nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.Linear(16, 5), nn.BatchNorm1d(5)),
    ),
    "layer norm": (
        (6,),
        lambda: nn.Sequential(nn.LayerNorm(6), nn.Linear(6, 7), nn.LayerNorm(7, bias=False), nn.Linear(7, 3)),
    ),
    "activations": ((5,), lambda: nn.Sequential(nn.Linear(5, 7), nn.GELU(), nn.Tanh(), nn.SiLU())),
    "images": (
        (2, 6, 6),
        lambda: nn.Sequential(
            nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.GELU(), nn.LayerNorm((3, 4, 4)), nn.Flatten()
        ),
    ),
    "residual": (
        (4,),
        lambda: nn.Sequential(
            nn.Linear(4, 4), Residual(nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))), nn.Linear(4, 2)
        ),
    ),
}


class Lanes:
    """Networks of so many lanes, and what a step of them leaves."""

    def __init__(self, name: str, lanes: int) -> None:
        shape, make = NETS[name]
        nets = []
        for lane in range(lanes):
            torch.manual_seed(lane)
            nets.append(make())
        self.x = torch.randn(lanes, BATCH, *shape, generator=torch.Generator().manual_seed(0))
        self.state = StackedState(nets)
        generators = [torch.Generator() for _ in nets]
        self.net = StackedSequential(nets, self.state, generators, shape)

    def step(self) -> list[Tensor]:
        with torch.no_grad():
            scores = self.net.forward(self.x.clone())
            left = [scores.clone()]
            self.net.backward(torch.cos(3 * scores))
        return [*left, *self.state.gradients.values(), *self.state.buffers.values()]


@pytest.fixture
def on_device(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Lets networks be built for another device, or for the CPU."""
    return lambda value: monkeypatch.setattr(sequential, "is_on_device", lambda state: value)


@pytest.mark.parametrize("name", NETS)
def test_both_forms_compute_the_same(name: str, on_device: Callable[[bool], None]) -> None:
    results = []
    for value in (False, True):
        on_device(value)
        lanes = Lanes(name, 3)
        lanes.step()
        results.append(lanes.step())
    torch.testing.assert_close(results[1], results[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", [name for name in NETS if name != "images"])
def test_operations_do_not_grow_with_the_lanes(name: str, on_device: Callable[[bool], None]) -> None:
    counts = []
    on_device(True)
    for lanes in (2, 5):
        built = Lanes(name, lanes)
        with Counted() as counted:
            built.step()
        counts.append(counted.count)
    assert counts[0] == counts[1]


def test_every_form_takes_the_place_of_a_registered_one() -> None:
    assert set(DEVICE_FORMS) <= set(STACKED_LAYERS.values())
    for kind, form in DEVICE_FORMS.items():
        assert issubclass(form, kind)
        assert form.keeps_output == kind.keeps_output
        assert form.may_alias_input == kind.may_alias_input


def test_products_in_bf16_are_those_of_rounded_matrices(
    on_device: Callable[[bool], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    on_device(True)
    exact = Lanes("linear", 3).step()
    monkeypatch.setattr(device_forms, "is_bf16", lambda device: True)
    with matmul_precision("bf16"):
        coarse = Lanes("linear", 3).step()
    for one, other in zip(coarse, exact, strict=True):
        assert one.dtype == torch.float32
        assert 0 < (one - other).norm() < 0.03 * other.norm()
