"""A stack of any networks, by `torch.func.vmap`: equal to the lanes' own within rounding, not to the bit."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from abreast.stacking.parameters import State


class Vmapped:
    """The lanes' networks as one function, in training.

    Dropout draws from torch's global generator, another mask for each lane, so a lane with dropout is another
    sample of its plain run. Raises RuntimeError from `forward` for networks that vmap cannot batch: control
    flow that hangs on values, operations without a batched form.
    """

    def __init__(self, nets: Sequence[nn.Module], state: State) -> None:
        self.base = nets[0]
        self.state = state
        self._scores: Tensor

    def train(self) -> None:
        """Let the network that stands for all of them behave as in training."""
        self.base.train()

    def forward(self, x: Tensor) -> Tensor:
        """Scores `[K, B, out]` of normalised inputs `[K, B, *shape]`."""
        state = self.state

        def one(parameters: dict[str, Tensor], buffers: dict[str, Tensor], rows: Tensor) -> Tensor:
            scores: Tensor = torch.func.functional_call(self.base, (parameters, buffers), (rows,))
            return scores

        batched = torch.func.vmap(one, in_dims=(0, 0, 0), randomness="different")
        # In-place changes reach dense buffers alone; the state's lanes may have gaps between them.
        dense = {
            name: buffer.clone(memory_format=torch.contiguous_format)
            for name, buffer in state.buffers.items()
        }
        with torch.enable_grad():
            self._scores = batched(dict(state.parameters), dense, x)
        for name, buffer in dense.items():
            state.buffers[name].copy_(buffer)
        return self._scores.detach()

    def backward(self, grad: Tensor) -> None:
        """Fill the state's gradients from that of the scores."""
        found = torch.autograd.grad(self._scores, [*self.state.parameters.values()], grad)
        del self._scores
        for gradient, value in zip(self.state.gradients.values(), found, strict=True):
            gradient.copy_(value)

    def probe(self, rows: Tensor) -> None:
        """Try the networks on some rows `[K, B, *shape]` and leave everything as it was."""
        before = {name: buffer.clone() for name, buffer in self.state.buffers.items()}
        try:
            self.backward(torch.ones_like(self.forward(rows)))
        finally:
            for name, buffer in before.items():
                self.state.buffers[name].copy_(buffer)
