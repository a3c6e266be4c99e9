"""A stack of any networks by `torch.func.vmap`: equal to individual training within rounding, not bitwise."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from abreast.stacking.parameters import StackedState
from abreast.stacking.random_numbers import draws


class VmappedNet:
    """The lanes' networks as one function, in training.

    `forward` raises RuntimeError for networks that vmap cannot batch: control flow that depends on values,
    operations without a batched form, and random numbers, which would depend on a lane's neighbours.
    """

    def __init__(self, nets: Sequence[nn.Module], state: StackedState) -> None:
        self.base = nets[0]
        self.state = state
        # The name in the state of every parameter's place in a module. functional_call's own `tie_weights`
        # sets a place once for every name of a shared module, and restores it to what it had set.
        names = {parameter: name for name, parameter in self.base.named_parameters()}
        self._names = {
            f"{prefix}.{key}".lstrip("."): names[parameter]
            for prefix, module in self.base.named_modules()
            for key, parameter in module._parameters.items()
            if parameter is not None
        }
        self._scores: Tensor

    def train(self) -> None:
        """Put the network that is called for all lanes in training mode."""
        self.base.train()

    def forward(self, x: Tensor) -> Tensor:
        """Return scores `[K, B, out]` of normalised inputs `[K, B, *shape]`."""
        state = self.state

        def call(parameters: dict[str, Tensor], buffers: dict[str, Tensor], inputs: Tensor) -> Tensor:
            places = {place: parameters[name] for place, name in self._names.items()}
            scores: Tensor = torch.func.functional_call(
                self.base, (places, buffers), (inputs,), tie_weights=False
            )
            return scores

        batched = torch.func.vmap(call, in_dims=(0, 0, 0), randomness="error")
        # vmap changes dense buffers alone in place; the state's lanes may be padded.
        buffers = {
            name: buffer.clone(memory_format=torch.contiguous_format)
            for name, buffer in state.buffers.items()
        }
        with torch.enable_grad():
            self._scores = batched(dict(state.parameters), buffers, x)
        for name, buffer in buffers.items():
            state.buffers[name].copy_(buffer)
        return self._scores.detach()

    def backward(self, grad: Tensor) -> None:
        """Fill the state's gradients, given that of the scores."""
        gradients = torch.autograd.grad(self._scores, [*self.state.parameters.values()], grad)
        del self._scores
        for memory, gradient in zip(self.state.gradients.values(), gradients, strict=True):
            memory.copy_(gradient)

    def probe(self, x: Tensor) -> None:
        """Try forward and backward on inputs `[K, B, *shape]`; the buffers are restored.

        Raises:
            Exception: Whatever vmap, or the network under it, raises.
        """
        before = {name: buffer.clone() for name, buffer in self.state.buffers.items()}
        values = _values(self.base)
        try:
            if draws(lambda: self.backward(torch.ones_like(self.forward(x)))):
                raise RuntimeError("its forward draws random numbers, which a lane must not share")
            if _values(self.base) != values:
                raise RuntimeError("its forward changes attributes that are not buffers")
        finally:
            for name, buffer in before.items():
                self.state.buffers[name].copy_(buffer)


def _values(net: nn.Module) -> list[dict[str, object]]:
    """The modules' attributes that are numbers or texts."""
    kinds = (bool, int, float, str)
    return [
        {key: value for key, value in vars(module).items() if isinstance(value, kinds)}
        for module in net.modules()
    ]
