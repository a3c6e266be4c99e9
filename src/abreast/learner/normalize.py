"""The network's first operation: stored inputs to normalised floating-point values."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from abreast.data.principal_components import Projection


class Normalize(nn.Module):
    """Maps stored inputs, of any dtype, to `(inputs - mean) / std` in the module's precision.

    Args:
        mean: Mean of the training inputs, over all values; of each column `[F]`; or of each channel
            `[C, 1, 1]`.
        std: Standard deviation of the training inputs, likewise. With columns, NaN becomes 0: the mean.
        projection: What these values are projected on; None for nothing.
    """

    mean: Tensor
    scale: Tensor
    components: Tensor | None
    offset: Tensor | None

    def __init__(
        self, mean: float | Tensor, std: float | Tensor, projection: Projection | None = None
    ) -> None:
        super().__init__()
        self.register_buffer("mean", torch.as_tensor(mean, dtype=torch.float32))
        self.register_buffer("scale", torch.as_tensor(1.0 / std, dtype=torch.float32))
        self.projects = projection is not None
        self.register_buffer("components", None if projection is None else projection.components.float())
        self.register_buffer("offset", None if projection is None else projection.offset.float())

    def forward(self, inputs: Tensor) -> Tensor:
        """Normalise a batch.

        Args:
            inputs: `[B, ...]`, as stored. Never changed in place.

        Returns:
            Floating-point values of the same shape; with a projection `[B, n]`.
        """
        values = self._normalized(inputs)
        return self.project(values, inputs.ndim - 1) if self.projects else values

    def project(self, values: Tensor, dims: int) -> Tensor:
        """Project normalised values, whose last `dims` dimensions are an example's, if asked to."""
        if self.components is None:
            return values
        return F.linear(values.flatten(-dims), self.components, self.offset)

    def _normalized(self, inputs: Tensor) -> Tensor:
        if self.mean.ndim:  # of each column or channel
            return inputs.to(self.mean.dtype).sub(self.mean).mul_(self.scale).nan_to_num(nan=0.0)
        if inputs.is_floating_point():  # may share the caller's memory: the first operation must copy
            return inputs.to(self.mean.dtype).sub(self.mean).mul_(self.scale)
        return inputs.to(self.mean.dtype).sub_(self.mean).mul_(self.scale)
