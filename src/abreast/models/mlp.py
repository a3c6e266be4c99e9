"""Multi-layer perceptron."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Annotated, Any, Literal

from annotated_types import Ge, Lt
from torch import Tensor, nn

Activation = Literal[
    "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "tanh", "sigmoid", "softplus", "identity"
]
Norm = Literal["batch", "layer"]
Init = Literal[
    "default", "xavier_uniform", "xavier_normal", "kaiming_uniform", "kaiming_normal", "orthogonal"
]

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "softplus": nn.Softplus,
    "identity": nn.Identity,
}
NORMS: dict[str, type[nn.Module]] = {"batch": nn.BatchNorm1d, "layer": nn.LayerNorm}
INITS: dict[str, Callable[[Tensor], Tensor]] = {
    "xavier_uniform": nn.init.xavier_uniform_,
    "xavier_normal": nn.init.xavier_normal_,
    "kaiming_uniform": lambda weight: nn.init.kaiming_uniform_(weight, nonlinearity="relu"),
    "kaiming_normal": lambda weight: nn.init.kaiming_normal_(weight, nonlinearity="relu"),
    "orthogonal": nn.init.orthogonal_,
}


class MLP(nn.Sequential):
    """Flatten, then linear layers, each but the last followed by norm, activation and dropout.

    Args:
        in_features: values of an example; inputs are `[B, *shape]` of that many.
        out_features: scores of an example; outputs are `[B, out_features]`, raw.
        hidden: widths of the hidden layers; `[]` makes one linear layer.
        activation, norm: of each hidden layer.
        dropout: probability of a hidden value to be zeroed.
        bias: whether linear layers have one.
        init: how weights are drawn, with biases of 0; `default` leaves both as torch draws them.

    Raises:
        ValueError: for an unknown activation, norm or init.

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
        init: Init = "default",
    ) -> None:
        _known("activation", activation, ACTIVATIONS)
        _known("init", init, {"default": None, **INITS})
        if norm is not None:
            _known("norm", norm, NORMS)
        layers: list[nn.Module] = [nn.Flatten()]
        sizes = [in_features, *hidden]
        for fan_in, fan_out in pairwise(sizes):
            layers.append(nn.Linear(fan_in, fan_out, bias=bias))
            if norm is not None:
                layers.append(NORMS[norm](fan_out))
            layers.append(ACTIVATIONS[activation]())
            if dropout > 0:
                layers.append(nn.Dropout(dropout))
        layers.append(nn.Linear(sizes[-1], out_features, bias=bias))
        super().__init__(*layers)
        if init != "default":
            for layer in self:
                if isinstance(layer, nn.Linear):
                    INITS[init](layer.weight)
                    if layer.bias is not None:
                        nn.init.zeros_(layer.bias)


def _known(what: str, value: str, allowed: Mapping[str, Any]) -> None:
    if value not in allowed:
        raise ValueError(f"model.{what}={value} is unknown; it takes {', '.join(allowed)}")
