"""What the optimizers that wrap another one share."""

from collections.abc import Callable
from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn

from abreast.optim.lookahead import Lookahead
from abreast.optim.sam import SAM
from abreast.optim.weight_average import WeightAverage
from abreast.optim.wrapper import OptimizerWrapper, evaluate

WRAPPERS: dict[str, Callable[[list[nn.Parameter]], OptimizerWrapper]] = {
    "lookahead": lambda params: Lookahead(params, lr=0.1, k=2, base="SGD", momentum=0.9),
    "sam": lambda params: SAM(params, lr=0.1, momentum=0.9),
    "weight_average": lambda params: WeightAverage(
        params, lambda given: torch.optim.SGD(given, lr=0.1, momentum=0.9), decay=0.9
    ),
}


def step(optimizer: OptimizerWrapper, weight: nn.Parameter) -> None:
    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = (weight - 3).square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)


def weights(dtype: torch.dtype = torch.float64) -> nn.Parameter:
    return nn.Parameter(torch.tensor([0.0, 1.0], dtype=dtype))


@pytest.mark.parametrize("name", WRAPPERS)
class TestOptimizerWrapper:
    def test_a_schedule_changes_the_rate_of_the_base_also_after_loading(self, name: str) -> None:
        optimizer = WRAPPERS[name]([weight := weights()])
        step(optimizer, weight)
        optimizer.load_state_dict(optimizer.state_dict())
        optimizer.param_groups[0]["lr"] = 0.25
        assert optimizer.base.param_groups[0]["lr"] == 0.25
        assert optimizer.base.param_groups is optimizer.param_groups

    def test_what_was_loaded_continues_as_what_was_saved(self, name: str) -> None:
        first = WRAPPERS[name]([weight := weights()])
        for _ in range(3):
            step(first, weight)
        second = WRAPPERS[name]([copied := nn.Parameter(weight.detach().clone())])
        second.load_state_dict(deepcopy(first.state_dict()))  # as a checkpoint holds it
        for _ in range(3):
            step(first, weight)
            step(second, copied)
        assert torch.equal(weight, copied)


class TestBesideParameters:
    def test_values_take_the_type_of_their_parameter(self) -> None:
        optimizer = Lookahead([weights(torch.float32)], base="SGD")
        (value,) = optimizer.beside_parameters([torch.tensor([0.1, 0.2], dtype=torch.float64)])
        assert value.dtype == torch.float32

    def test_values_are_copies(self) -> None:
        optimizer = Lookahead([weights()], base="SGD")
        stored = torch.zeros(2, dtype=torch.float64)
        (value,) = optimizer.beside_parameters([stored])
        assert value.data_ptr() != stored.data_ptr()


class TestEvaluate:
    def test_gradients_are_on_for_the_closure_alone(self) -> None:
        with torch.no_grad():
            assert evaluate(lambda: torch.tensor(float(torch.is_grad_enabled()))) == 1
            assert not torch.is_grad_enabled()

    def test_without_a_closure_there_is_no_loss(self) -> None:
        assert evaluate(None) is None
