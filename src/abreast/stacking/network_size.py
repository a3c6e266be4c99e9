"""How much a network computes and keeps for one example, beside what its parameters say."""

from __future__ import annotations

import copy
from typing import NamedTuple

import torch
from torch import Tensor, nn

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


class NetworkSize(NamedTuple):
    """Sizes of one network.

    Attributes:
        parameters: Values of its parameters.
        multiplications: Those of one example's forward pass; for linear layers one a parameter.
        features: Values of the feature maps (images, signals) that one example's forward pass makes.
    """

    parameters: int
    multiplications: int
    features: int


def network_size(net: nn.Module, in_shape: tuple[int, ...]) -> NetworkSize:
    """Measure a network, without computing anything: on torch's meta device.

    A network that does not run there is measured by its parameters alone.

    Args:
        net: The network, which stays as it is.
        in_shape: Shape of one example.
    """
    parameters = sum(p.numel() for p in net.parameters())
    if not any(isinstance(module, CONVOLUTIONS) for module in net.modules()):
        return NetworkSize(parameters, parameters, 0)
    multiplications, features = parameters, 0

    def count(module: nn.Module, _: object, out: object) -> None:
        nonlocal multiplications, features
        if not isinstance(out, Tensor) or out.ndim < 3 or any(True for _ in module.children()):
            return
        features += out[0].numel()
        if isinstance(module, CONVOLUTIONS):
            multiplications += module.weight.numel() * (out[0, 0].numel() - 1)

    try:
        image = copy.deepcopy(net).to("meta")
        for module in image.modules():
            module.register_forward_hook(count)
        with torch.no_grad():
            image(torch.empty(2, *in_shape, device="meta"))
    except Exception:  # whatever a custom forward raises for tensors without values
        return NetworkSize(parameters, parameters, 0)
    return NetworkSize(parameters, multiplications, features)
