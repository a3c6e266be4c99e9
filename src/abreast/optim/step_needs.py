"""What an optimizer needs of a step beside the gradients: a closure, or the graph of the gradients."""

from __future__ import annotations

import inspect
import warnings
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from abreast.errors import ConfigError

# Classes of pytorch-optimizer that estimate the diagonal of the Hessian, and so differentiate the gradients.
GRAPHS = frozenset({"AdaHessian", "SophiaH"})


def needs_closure(optimizer: Optimizer) -> bool:
    """Whether a step evaluates the loss itself, as those of LBFGS and SAM do."""
    parameter = inspect.signature(type(optimizer).step).parameters.get("closure")
    return parameter is not None and parameter.default is inspect.Parameter.empty


def needs_graph(optimizer: Optimizer) -> bool:
    """Whether a step differentiates the gradients."""
    kind = type(optimizer)
    return kind.__name__ in GRAPHS and kind.__module__.partition(".")[0] == "pytorch_optimizer"


def check_wrapped(optimizer: Optimizer, key: str, fix: str) -> None:
    """Raise ConfigError for the key unless another optimizer can wrap this one."""
    name = type(optimizer).__name__
    if needs_closure(optimizer) or needs_graph(optimizer):
        raise ConfigError(f"{key}: {name} takes more of a step than its gradient; {fix}")
    if hasattr(optimizer, "eval"):
        raise ConfigError(f"{key}: {name} averages the weights itself; {fix}")


def backward(loss: Tensor, *args: Any, with_graph: bool, **kwargs: Any) -> None:
    """Compute the gradients of a loss, with their graph if a step needs it."""
    if not with_graph:
        loss.backward(*args, **kwargs)  # type: ignore[no-untyped-call]
        return
    with warnings.catch_warnings():
        # Of a reference cycle, which ends when the gradients are set to None before the next step's.
        warnings.filterwarnings("ignore", "Using backward\\(\\) with create_graph=True", UserWarning)
        loss.backward(*args, **{**kwargs, "create_graph": True})  # type: ignore[no-untyped-call]
