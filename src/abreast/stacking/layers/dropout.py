"""`nn.Dropout` in every lane."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from abreast.stacking.layers.layer import LayerContext, StackedLayer, UnsupportedLayerError
from abreast.stacking.parameters import aligned_empty


class StackedDropout(StackedLayer):
    """Each lane draws its masks from its own generator, as its individual run draws them from torch's."""

    keeps_output = False
    may_alias_input = True  # with p=0

    def __init__(self, layer: nn.Module, context: LayerContext) -> None:
        assert isinstance(layer, (nn.Dropout, nn.Dropout1d, nn.Dropout2d))
        if layer.inplace and context.input_is_kept:
            name = f"nn.{type(layer).__name__}"
            raise UnsupportedLayerError(f"{name}(inplace=True) overwrites what the layer before it needs")
        super().__init__(layer, context)
        self.p = layer.p
        self.generators = context.generators
        self._noise: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """Set values of `[K, B, *in_shape]` to zero with probability `p`, and scale the others."""
        if self.p == 0:
            return x
        if self.p == 1:  # torch draws no mask then
            self._noise = x.new_zeros(())
            return x * self._noise
        noise = aligned_empty(*self._noise_shape(x.shape), like=x)
        for lane, generator in zip(noise, self.generators, strict=True):
            lane.bernoulli_(1 - self.p, generator=generator)
        self._noise = noise.div_(1 - self.p)
        return x * self._noise

    def _noise_shape(self, shape: torch.Size) -> tuple[int, ...]:
        return tuple(shape)

    def backward(self, grad: Tensor) -> Tensor:
        """Apply the mask to the gradient."""
        return grad if self.p == 0 else grad.mul_(self._noise)


class StackedChannelDropout(StackedDropout):
    """`nn.Dropout1d` and `nn.Dropout2d`, which draw one value for each channel."""

    def __init__(self, layer: nn.Module, context: LayerContext) -> None:
        dims = 2 if isinstance(layer, nn.Dropout1d) else 3
        if len(context.in_shape) != dims:
            raise UnsupportedLayerError(
                f"nn.{type(layer).__name__} on examples of shape {context.in_shape}, not of {dims} dimensions"
            )
        super().__init__(layer, context)

    def _noise_shape(self, shape: torch.Size) -> tuple[int, ...]:
        return (*shape[:3], *[1] * len(shape[3:]))


class StackedIdentity(StackedLayer):
    """`nn.Identity`."""

    keeps_output = False
    may_alias_input = True

    def forward(self, x: Tensor) -> Tensor:
        """Return the input."""
        return x

    def backward(self, grad: Tensor) -> Tensor:
        """Return the gradient."""
        return grad
