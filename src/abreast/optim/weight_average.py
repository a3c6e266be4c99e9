"""An exponential moving average of the weights, beside any optimizer."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from abreast.config.types import State
from abreast.optim.wrapper import OptimizerWrapper, evaluate


class WeightAverage(OptimizerWrapper):
    """Step another optimizer, and average the weights a after each of its steps: ``a <- d a + (1 - d) w``.

    With n steps done before, ``d = min(decay, (1 + n) / (10 + n))``, so that a short training's average does
    not consist of its initial weights. The network holds w while it trains and a after `eval`; `train` puts w
    back. Buffers, such as the statistics of a batch norm, are those of the training.
    Source: Polyak & Juditsky 1992; the warm-up is that of TensorFlow's `ExponentialMovingAverage`.

    Args:
        params: The network's parameters.
        make_optimizer: Builds the optimizer of the parameters.
        decay: The largest d.
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        make_optimizer: Callable[[list[nn.Parameter]], Optimizer],
        decay: float,
    ) -> None:
        params = list(params)
        super().__init__(params, make_optimizer(params))
        self.decay = decay
        self._others: list[Tensor] = []  # the weights that the network does not hold
        self._is_averaged = False  # whether it holds the averages
        self._steps = 0

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:  # type: ignore[override]
        """One step of the optimizer and of the average; returns the closure's loss."""
        loss = evaluate(closure)
        if not self._others:
            self._others = [p.detach().clone() for p in self._parameters]
        self.base.step()
        decay = min(self.decay, (1 + self._steps) / (10 + self._steps))
        torch._foreach_mul_(self._others, decay)
        weights: list[Tensor] = [*self._parameters]
        torch._foreach_add_(self._others, torch._foreach_mul(weights, 1 - decay))
        self._steps += 1
        return loss

    def eval(self) -> None:
        """Let the network hold the averages."""
        if not self._is_averaged:
            self._swap()

    def train(self) -> None:
        """Let the network hold the weights to train."""
        if self._is_averaged:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        if not self._others:  # before the first step they are equal
            return
        before = [p.detach().clone() for p in self._parameters]
        for parameter, other in zip(self._parameters, self._others, strict=True):
            parameter.copy_(other)
        self._others = before
        self._is_averaged = not self._is_averaged

    def state_dict(self) -> State:
        """The optimizer's state, the weights that the network does not hold, whose they are, the steps."""
        return {
            "base": self.base.state_dict(),
            "others": list(self._others),
            "is_averaged": self._is_averaged,
            "steps": self._steps,
        }

    def load_state_dict(self, state_dict: State) -> None:
        """Load what `state_dict` returned."""
        self.load_base(state_dict["base"])
        self._others = self.beside_parameters(state_dict["others"])
        self._is_averaged = state_dict["is_averaged"]
        self._steps = state_dict["steps"]
