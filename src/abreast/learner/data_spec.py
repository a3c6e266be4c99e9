"""What a network and its metrics have to know of the data."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from abreast.data.columns import Column
from abreast.data.principal_components import Projection


@dataclass(frozen=True)
class DataSpec:
    """Shape and meaning of a data set's inputs and targets.

    Attributes:
        in_shape: Shape of one input, as stored.
        out_features: Scores that the network gives for one input.
        classes: Class names in the order of the labels; none for regression.
        peak: Largest value of a stored pixel; None where the inputs are no images.
        mean: Mean of the training inputs, over all values, of each column `[F]` or each channel `[C, 1, 1]`.
        std: Standard deviation of the training inputs, likewise.
        columns: What the inputs of a table are; () where they have no names.
        target_scale: Mean and standard deviation of each regression target, which the network's scores are
            in units of; () where these are as stored.
        projection: What normalised inputs are projected on; None for nothing.
    """

    in_shape: tuple[int, ...]
    out_features: int
    classes: tuple[str, ...] = ()
    peak: int | None = None
    mean: float | Tensor = 0.0
    std: float | Tensor = 1.0
    columns: tuple[Column, ...] = ()
    target_scale: tuple[tuple[float, float], ...] = ()
    projection: Projection | None = None

    @property
    def net_shape(self) -> tuple[int, ...]:
        """Shape of one input of the network."""
        return self.in_shape if self.projection is None else (len(self.projection.components),)
