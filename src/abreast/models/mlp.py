"""Multi-layer perceptron."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Lt
from torch import nn

from abreast.models.blocks import ACTIVATIONS, Activation, Residual, check_known
from abreast.models.initialization import Init, initialize

Norm = Literal["batch", "layer"]

NORMS: dict[str, type[nn.Module]] = {"batch": nn.BatchNorm1d, "layer": nn.LayerNorm}


class MLP(nn.Sequential):
    """Flatten, then linear layers, each but the last followed by norm, activation and dropout.

    Args:
        in_features: Values of an example; inputs are `[B, *shape]` of that many.
        out_features: Scores of an example; outputs are `[B, out_features]`, raw.
        hidden: Widths of the hidden layers; `[]` makes one linear layer.
        activation: Of each hidden layer.
        dropout: Probability of a hidden value to be zeroed.
        norm: Of each hidden layer, `batch` or `layer`; None for none.
        bias: Whether linear layers have one.
        residual: Whether each hidden layer that is as wide as the one before it, with its norm, activation
            and dropout, is added to its input.
        init: How weights are drawn, with biases of 0; `default` leaves both as torch draws them.
        gain: Factor of the last layer's initial weights; or a list with one for each layer.

    Raises:
        ValueError: For an unknown activation, norm or init; a list of gains that does not fit; or where
            `residual` finds no hidden layer as wide as the one before it.

    >>> [tuple(parameter.shape) for parameter in MLP(4, 2, hidden=[3]).parameters()]
    [(3, 4), (3,), (2, 3), (2,)]
    """

    def __init__(
        self,
        in_features: Annotated[int, Ge(1)],
        out_features: Annotated[int, Ge(1)],
        *,
        hidden: Sequence[Annotated[int, Ge(1)]] = (256,),
        activation: Activation = "relu",
        dropout: Annotated[float, Ge(0), Lt(1)] = 0.0,
        norm: Norm | None = None,
        bias: bool = True,
        residual: bool = False,
        init: Init = "default",
        gain: Annotated[float, Gt(0)] | Sequence[Annotated[float, Gt(0)]] = 1.0,
    ) -> None:
        check_known("activation", activation, ACTIVATIONS)
        if norm is not None:
            check_known("norm", norm, NORMS)
        sizes = [in_features, *hidden]
        if residual and all(before != after for before, after in pairwise(hidden)):
            raise ValueError(
                f"model.residual=true adds a hidden layer to the one before it, of the same width, but "
                f"model.hidden={[*hidden]} has no such neighbours: for example model.hidden=[64,64,64]"
            )
        layers: list[nn.Module] = [nn.Flatten()]
        for number, (fan_in, fan_out) in enumerate(pairwise(sizes)):
            block: list[nn.Module] = [nn.Linear(fan_in, fan_out, bias=bias)]
            if norm is not None:
                block.append(NORMS[norm](fan_out))
            block.append(ACTIVATIONS[activation]())
            if dropout > 0:
                block.append(nn.Dropout(dropout))
            layers += [Residual(block)] if residual and number and fan_in == fan_out else block
        layers.append(nn.Linear(sizes[-1], out_features, bias=bias))
        super().__init__(*layers)
        initialize(self, init, gain)
