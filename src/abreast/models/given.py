"""A network that was given in Python: a class, a function that makes one, or a network itself."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping
from typing import Any

from torch import nn

from abreast.errors import ConfigError
from abreast.runtime.given import given_object


def given(
    network: str,
    arguments: Mapping[str, Any] | None = None,
    *,
    in_shape: tuple[int, ...],
    in_features: int,
    out_features: int,
) -> nn.Module:
    """Make the network, or copy it: then its weights are what the training starts from.

    Args:
        network: The name under which it was given (`abreast.runtime.given`).
        arguments: Keyword arguments of the class or function.
        in_shape: Shape of one input, passed on to a class or function that takes it.
        in_features: Its number of values, passed on likewise.
        out_features: Scores of one input, passed on likewise.

    Raises:
        RunError: It was not given to this process.
        ConfigError: Arguments for a network that is made already, or something else than a network was made.
    """
    source = given_object("model", network)
    if isinstance(source, nn.Module):
        if arguments:
            raise ConfigError(
                f"model.arguments: {network} is a network that is made already; give its class for arguments"
            )
        return copy.deepcopy(source).cpu().train()
    sizes = {"in_shape": in_shape, "in_features": in_features, "out_features": out_features}
    accepted = inspect.signature(source).parameters
    made = source(**{**{name: size for name, size in sizes.items() if name in accepted}, **(arguments or {})})
    if not isinstance(made, nn.Module):
        raise ConfigError(f"model: {network} makes a {type(made).__name__}, not a torch.nn.Module")
    return made
