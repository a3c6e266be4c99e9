"""What networks are made of: activations and norms by name, and a residual block."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Literal

from torch import Tensor, nn

Activation = Literal[
    "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "tanh", "sigmoid", "softplus", "identity"
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


class Residual(nn.Module):
    """`body(x) + shortcut(x)`.

    Args:
        body: Layers in a row, `[B, *shape]` to `[B, *out]`.
        shortcut: Layers in a row, of the same shapes; none for the input itself, where both shapes are equal.

    Source: He, Zhang, Ren & Sun 2016, equations 1 and 2, arXiv:1512.03385.

    >>> [name for name, _ in Residual([nn.Linear(3, 3)]).named_parameters()]
    ['body.0.weight', 'body.0.bias']
    """

    def __init__(self, body: Iterable[nn.Module], shortcut: Iterable[nn.Module] = ()) -> None:
        super().__init__()
        self.body = nn.Sequential(*body)
        self.shortcut = nn.Sequential(*shortcut)

    def forward(self, x: Tensor) -> Tensor:
        """`[B, *shape]` to `[B, *out]`."""
        out: Tensor = self.body(x) + self.shortcut(x)
        return out


def check_known(what: str, value: str, allowed: Collection[str]) -> None:
    """Raise ValueError, with what is allowed, where a value is not among it."""
    if value not in allowed:
        raise ValueError(f"model.{what}={value} is unknown; it takes {', '.join(allowed)}")
