"""A stack of any networks, by `torch.func.vmap`: equal to the lanes' own within rounding, not to the bit."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from abreast.stacking.state import State


class Vmapped:
    """The lanes' networks as one function of `[K, B, *shape]`, in training.

    Dropout draws from torch's global generator, another mask for each lane, so a lane with dropout is another
    sample of its plain run. `by_autograd` names the parameters whose gradients autograd makes: all.
    Raises RuntimeError from the call for networks that vmap cannot batch: control flow that hangs on values,
    operations without a batched form.
    """

    def __init__(self, nets: Sequence[nn.Module], state: State) -> None:
        self.base = nets[0]
        self.state = state
        self.by_autograd = [*state.parameters]

    @staticmethod
    def fits(rows: int) -> bool:
        """Whether mini-batches of so many rows can be trained by batched operations: any."""
        return True

    def __call__(self, x: Tensor) -> Tensor:
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
        scores: Tensor = batched(dict(state.parameters), dense, x)
        for name, buffer in dense.items():
            state.buffers[name].copy_(buffer)
        return scores

    def probe(self, rows: Tensor) -> None:
        """Try the networks on some rows `[K, B, *shape]` and leave everything as it was."""
        before = {name: buffer.clone() for name, buffer in self.state.buffers.items()}
        for parameter in self.state.parameters.values():
            parameter.grad = None
        try:
            self(rows).sum().backward()  # type: ignore[no-untyped-call]
        finally:
            for name, buffer in before.items():
                self.state.buffers[name].copy_(buffer)
            for parameter in self.state.parameters.values():
                parameter.grad = None
