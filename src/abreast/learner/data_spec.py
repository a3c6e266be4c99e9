"""What a network and its metrics have to know of the data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DataSpec:
    """Shape and meaning of a data set's inputs and targets.

    Attributes:
        in_shape: Shape of one input, as stored.
        out_features: Scores that the network gives for one input.
        classes: Class names in the order of the labels; none for regression.
        peak: Largest value of a stored pixel; None where the inputs are no images.
        mean: Mean of the training inputs, over all values.
        std: Standard deviation of the training inputs, over all values.
    """

    in_shape: tuple[int, ...]
    out_features: int
    classes: tuple[str, ...] = ()
    peak: int | None = None
    mean: float = 0.0
    std: float = 1.0
