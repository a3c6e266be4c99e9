"""The principal components of the training inputs, which `data.pca` projects all inputs on."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from abreast.data.source import Split
from abreast.errors import ConfigError
from abreast.runtime.threads import one_thread

MOST_VALUES = 8192  # of an example: the covariance matrix has the square of it
ROWS = 4096  # read at once


class Projection(NamedTuple):
    """The map from normalised inputs `x` `[B, F]` to `x @ components.T + offset`, `[B, n]`.

    Attributes:
        components: `[n, F]`, orthonormal rows, the largest variance first.
        offset: `[n]`, minus the projected mean of the training inputs.
    """

    components: Tensor
    offset: Tensor


def principal_components(
    train: Split, mean: float | Tensor, std: float | Tensor, count: int, name: str = "data.pca"
) -> Projection:
    """Fit the projection to the training inputs, normalised and flattened, in double precision.

    Source: Pearson, On lines and planes of closest fit to systems of points in space, 1901. The sign of a
    component is such that its largest value is positive, as in scikit-learn's `PCA`.

    Args:
        train: The training examples.
        mean: What inputs are normalised by, of all values or of each column; a missing value is 0 after it.
        std: Likewise.
        count: The number of components, n.
        name: Of the setting, for messages.

    Raises:
        ConfigError: The inputs have fewer values or examples than components, or too many values.
    """
    examples, values = len(train), math.prod(train.inputs.shape[1:])
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= min(examples, values):
        raise ConfigError(
            f"{name}={count!r} must be a whole number from 1 to {min(examples, values)}: there are "
            f"{examples} training examples of {values} values"
        )
    if values > MOST_VALUES:
        raise ConfigError(
            f"{name}={count}: an example has {values} values, and components are computed for at most "
            f"{MOST_VALUES}. Write {name}=null, or make the images smaller"
        )
    total = torch.zeros(values, dtype=torch.float64)
    products = torch.zeros(values, values, dtype=torch.float64)
    with one_thread():  # the bits of a sum depend on the number of threads
        for inputs, _ in train.batches(ROWS):
            rows = ((inputs.double() - mean) / std).nan_to_num(nan=0.0).flatten(1)
            total += rows.sum(0)
            products.addmm_(rows.t(), rows)
        centre = total / examples
        _, vectors = torch.linalg.eigh(products / examples - torch.outer(centre, centre))
    components = vectors.t().flip(0)[:count]
    largest = components.gather(1, components.abs().argmax(1, keepdim=True))
    components = components * torch.where(largest < 0, -1.0, 1.0)
    return Projection(components, -(components @ centre))
