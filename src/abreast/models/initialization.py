"""How the weights of a network are drawn: by name and scale."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from abreast.models.blocks import check_known

Init = Literal[
    "default",
    "xavier_uniform",
    "xavier_normal",
    "kaiming_uniform",
    "kaiming_normal",
    "lecun_normal",
    "orthogonal",
    "truncated_normal",
]

TRUNCATED = 0.05  # standard deviation before it is truncated, and the biases, of `truncated_normal`

INITS: dict[str, Callable[[Tensor], Tensor]] = {
    "xavier_uniform": nn.init.xavier_uniform_,
    "xavier_normal": nn.init.xavier_normal_,
    "kaiming_uniform": lambda weight: nn.init.kaiming_uniform_(weight, nonlinearity="relu"),
    "kaiming_normal": lambda weight: nn.init.kaiming_normal_(weight, nonlinearity="relu"),
    "lecun_normal": lambda weight: nn.init.kaiming_normal_(weight, nonlinearity="linear"),
    "orthogonal": nn.init.orthogonal_,
    "truncated_normal": lambda weight: nn.init.trunc_normal_(
        weight, std=TRUNCATED, a=-2 * TRUNCATED, b=2 * TRUNCATED
    ),
}


def initialize(net: nn.Module, init: str, gain: float | Sequence[float] = 1.0) -> None:
    """Draw the weights of a network's linear and convolutional layers anew, from torch's global generator.

    Args:
        net: The network.
        init: `default` keeps weights and biases as torch drew them; the others set biases to 0, and
            `truncated_normal` to 0.05.
        gain: Factor of the weights, for the last layer; or a list with one for each layer. Biases keep
            their values.

    Raises:
        ValueError: For an unknown init, or a list of another length than the layers.

    Sources: Glorot & Bengio 2010 (xavier); He et al. 2015, arXiv:1502.01852 (kaiming); LeCun et al. 1998,
    Efficient BackProp, equation 16 (lecun); Saxe et al. 2014, arXiv:1312.6120 (orthogonal); DeepOBS'
    2c2d, Schneider, Balles & Hennig 2019, arXiv:1903.05499 (truncated_normal).
    """
    check_known("init", init, ("default", *INITS))
    layers = [module for module in net.modules() if isinstance(module, (nn.Linear, nn.Conv2d))]
    gains = [*gain] if isinstance(gain, Sequence) else [*[1.0] * (len(layers) - 1), gain]
    if len(gains) != len(layers):
        raise ValueError(
            f"model.gain={gains} has {len(gains)} factors for {len(layers)} layers with weights: "
            "give one for each, or a single number for the last one"
        )
    for layer, factor in zip(layers, gains, strict=True):
        if init != "default":
            INITS[init](layer.weight)
            if layer.bias is not None:
                nn.init.constant_(layer.bias, TRUNCATED if init == "truncated_normal" else 0.0)
        if factor != 1:
            with torch.no_grad():
                layer.weight.mul_(factor)
