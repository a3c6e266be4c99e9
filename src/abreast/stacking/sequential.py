"""A stack of sequential networks, forward and backward by batched operations, bitwise equal to each alone."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from abreast.stacking.layers import LayerContext, UnsupportedLayerError
from abreast.stacking.layers.chain import Chain, flattened
from abreast.stacking.parameters import StackedState


class StackedSequential(Chain):
    """The lanes' `nn.Sequential`s (also nested, also subclasses with its forward) in training.

    Takes normalised inputs `[K, B, *in_shape]`, which may be overwritten. Every layer must be one of
    `STACKED_LAYERS`. Nets must be alike (`abreast.stacking.eligibility`).

    Args:
        nets: One network for each of the K lanes, whose weights are in `state`.
        state: The lanes' parameters, gradients and buffers.
        generators: The lanes' random generators, for dropout.
        in_shape: The shape of one example.

    Raises:
        UnsupportedLayerError: The network has no batched form that is bitwise exact; the message says why.
    """

    def __init__(
        self,
        nets: Sequence[nn.Module],
        state: StackedState,
        generators: Sequence[torch.Generator],
        in_shape: tuple[int, ...],
    ) -> None:
        named_layers = flattened(nets[0])
        _check_tensors(named_layers, state)
        context = LayerContext(
            parameters=state.parameters,
            buffers=state.buffers,
            in_shape=in_shape,
            generators=generators,
            next_layer=None,
            needs_input_grad=False,
            input_is_kept=False,
            output_escapes=True,
            on_device=is_on_device(state),
        )
        super().__init__(named_layers, context)

    def train(self) -> None:
        """Do nothing: the lanes' own networks are only evaluated, and may stay in evaluation mode."""


def is_on_device(state: StackedState) -> bool:
    """Whether the lanes are on another device than the CPU."""
    return any(parameter.device.type != "cpu" for parameter in state.parameters.values())


def _check_tensors(named_layers: Sequence[tuple[str, nn.Module]], state: StackedState) -> None:
    """Raise UnsupportedLayerError unless every parameter and buffer is float32 and belongs to one layer."""
    names = [
        f"{name}.{key}"
        for name, layer in named_layers
        for key, _ in (
            *layer.named_parameters(remove_duplicate=False),
            *layer.named_buffers(remove_duplicate=False),
        )
    ]
    tensors = {**state.parameters, **state.buffers}
    if not state.parameters or sorted(names) != sorted(tensors):
        raise UnsupportedLayerError("its layers share parameters, or it has parameters outside its layers")
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and tensor.dtype != torch.float32:
            raise UnsupportedLayerError(f"{name} is {tensor.dtype}, not float32")
