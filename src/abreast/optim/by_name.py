"""Optimizers by name: all that pytorch-optimizer registers, and those of torch."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from functools import cache
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from abreast.errors import ConfigError
from abreast.optim.step_needs import check_wrapped
from abreast.suggestions import did_you_mean

_OF_MODEL = "it takes a whole network, and updates it during the backward pass"
_STATE = "its state holds more than tensors and numbers, so a checkpoint could not be loaded safely"
_NO_RATE = "it has no learning rate, which schedules scale and a run's metrics name"
# Of release 4.1: what cannot train here, and why.
REFUSED = {
    "a2grad": _NO_RATE,
    "adalomo": _OF_MODEL,
    "adammini": "it takes a whole network with named attention layers",
    "adashift": _STATE,
    "alig": _NO_RATE,
    "bsam": "its step fails for more than one parameter (pytorch-optimizer 4.1)",
    "conda": _STATE,
    "demo": "it requires processes that exchange its momentum, and einops",
    "distributedmuon": "it requires processes that share its steps; use muon",
    "lomo": _OF_MODEL,
    "magma": "it wraps another optimizer",
    "muonclip": "it requires the logits of attention layers; use muon",
    "scalableshampoo": _STATE + "; use shampoo",
    "scion": _STATE,
    "scionlight": _STATE,
    "spectralsphere": "it takes matrices alone; use muon",
}
# Those that want to be told which parameters are matrices.
_MUONS = ("adago", "adamuon", "muon", "normuon")
# Options that classes take among `**kwargs`, and read from their parameter groups.
_GROUP_OPTION = re.compile(r"""group\.get\(\s*['"](\w+)['"]""")


def by_name(
    params: Iterable[nn.Parameter],
    name: str,
    lr: float | None = None,
    num_iterations: int | None = None,
    **settings: Any,
) -> Optimizer:
    """Build any optimizer of pytorch-optimizer.

    Args:
        params: The network's parameters.
        name: Its name, in capitals or not, such as `Yogi`.
        lr: Learning rate; None: the class's default.
        num_iterations: Optimizer steps of the training, given to a class that asks for them.
        settings: Other arguments of the class.

    Raises:
        ConfigError: The package is missing, or has no such optimizer; the optimizer cannot train here, or has
            no such argument.
    """
    kind = _registered(name)
    key = kind.__name__.lower()
    takes = inspect.signature(kind).parameters
    if "num_iterations" in takes and num_iterations is not None:
        settings["num_iterations"] = num_iterations
    if lr is not None:
        settings["lr"] = lr
    _check_settings(kind, settings)
    return kind(_grouped(params) if key in _MUONS else list(params), **settings)


def asks_for_length(name: str) -> bool:
    """Whether an optimizer of pytorch-optimizer takes the steps of the training. Raises ConfigError."""
    return "num_iterations" in inspect.signature(_registered(name)).parameters


def base_optimizer(params: Iterable[nn.Parameter], base: str, settings: dict[str, Any]) -> Optimizer:
    """The optimizer that another one wraps: a class of torch.optim by its name, else as `by_name`.

    Raises:
        ConfigError: There is no such class, it has no such argument, or it cannot be wrapped.
    """
    kind = getattr(torch.optim, base, None)
    if not (isinstance(kind, type) and issubclass(kind, Optimizer)) or kind is Optimizer:
        _registered(base, "optim.base")  # so that the message names the key
        optimizer = by_name(params, base, **settings)
    else:
        _check_settings(kind, settings)
        optimizer = kind(list(params), **settings)
    check_wrapped(optimizer, "optim.base", "choose another, such as SGD")
    return optimizer


@cache
def _registry() -> dict[str, type[Optimizer]]:
    """Every optimizer of pytorch-optimizer by its name in small letters."""
    try:
        import pytorch_optimizer
    except ImportError:
        raise ConfigError(
            "optim: pytorch_optimizer is not installed: pip install 'abreast[optimizers]'"
        ) from None
    names = pytorch_optimizer.get_supported_optimizers()
    return {name: pytorch_optimizer.load_optimizer(name) for name in names if name not in REFUSED}


def _registered(name: str, key: str = "optim.name") -> type[Optimizer]:
    known = name.lower().replace("_", "").replace("-", "")
    if known in REFUSED:
        raise ConfigError(f"{key}={name}: not used, as {REFUSED[known]}")
    registry = _registry()
    if known not in registry:
        names = {kind.__name__ for kind in registry.values()}
        near = did_you_mean(name, sorted(names), key + "={}")
        raise ConfigError(f"{key}={name}: pytorch-optimizer has no such optimizer{near}")
    return registry[known]


def _check_settings(kind: type[Optimizer], settings: dict[str, Any]) -> None:
    """A class with `**kwargs` would ignore a misspelt argument without a word."""
    signature = [
        parameter.name
        for parameter in inspect.signature(kind).parameters.values()
        if parameter.kind is not parameter.VAR_KEYWORD
    ][1:]
    module = inspect.getmodule(kind)
    options = _GROUP_OPTION.findall(inspect.getsource(module)) if module is not None else []
    allowed = [*signature, *(name for name in dict.fromkeys(options) if name not in signature)]
    for name in settings:
        if name not in allowed:
            near = did_you_mean(name, allowed, "optim.{}")
            raise ConfigError(
                f"optim.{name}: no such key. {kind.__name__} takes: {', '.join(signature)}{near}"
            )


def _grouped(params: Iterable[nn.Parameter]) -> list[dict[str, Any]]:
    """The matrices, and all others, as the Muons want them."""
    params = list(params)
    parts = [
        {"params": [p for p in params if p.ndim >= 2], "use_muon": True},
        {"params": [p for p in params if p.ndim < 2], "use_muon": False},
    ]
    return [part for part in parts if part["params"]]
