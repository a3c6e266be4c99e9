"""The network's first operation: stored inputs to normalised floating-point values."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Normalize(nn.Module):
    """Maps stored inputs, of any dtype, to `(inputs - mean) / std` in the module's precision.

    Args:
        mean: Mean of the training inputs, over all values; or of each column `[F]`.
        std: Standard deviation of the training inputs, likewise. With columns, NaN becomes 0: the mean.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, mean: float | Tensor, std: float | Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", torch.as_tensor(mean, dtype=torch.float32))
        self.register_buffer("scale", torch.as_tensor(1.0 / std, dtype=torch.float32))

    def forward(self, inputs: Tensor) -> Tensor:
        """Normalise a batch.

        Args:
            inputs: `[B, ...]`, as stored. Never changed in place.

        Returns:
            Floating-point values of the same shape.
        """
        if self.mean.ndim:  # of each column
            return inputs.to(self.mean.dtype).sub(self.mean).mul_(self.scale).nan_to_num(nan=0.0)
        if inputs.is_floating_point():  # may share the caller's memory: the first operation must copy
            return inputs.to(self.mean.dtype).sub(self.mean).mul_(self.scale)
        return inputs.to(self.mean.dtype).sub_(self.mean).mul_(self.scale)
