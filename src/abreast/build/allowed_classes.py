"""The classes that the configuration of a run directory may build: a list of names, not of packages.

A class of a trusted package can load code or files as well as compute (`torchmetrics.multimodal.CLIPScore`),
and importing a module can do anything (`torch.utils.model_dump.__main__`). So only the modules named here are
imported to decide, and only classes that they export count.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

from lightning.pytorch import Callback, Trainer
from lightning.pytorch.loggers import Logger
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torchmetrics import Metric

from abreast.data.source import Source

# Callbacks that train, stop, save or show. Not among them: those that take a function, that write to the
# working directory (SpikeDetection), that are there to be subclassed, or that a run cannot have.
CALLBACKS = frozenset(
    {
        "DeviceStatsMonitor",
        "EMAWeightAveraging",
        "EarlyStopping",
        "GradientAccumulationScheduler",
        "LearningRateMonitor",
        "ModelCheckpoint",
        "ModelSummary",
        "RichModelSummary",
        "RichProgressBar",
        "StochasticWeightAveraging",
        "TQDMProgressBar",
        "ThroughputMonitor",
        "Timer",
        "WeightAveraging",
    }
)
# By the place in a configuration: the modules whose exports may stand there, and for some which of these.
HOMES: dict[str, dict[str, frozenset[str] | None]] = {
    "data": {"abreast.data": None},
    "module": {
        "abreast.losses": None,
        "abreast.models": None,
        "torch.nn": None,
        "torchmetrics.classification": None,
        "torchmetrics.regression": None,
        "torchvision.models": None,
        "torchvision.ops": None,
    },
    "metrics": {
        "abreast.metrics": None,
        "torchmetrics.classification": None,
        "torchmetrics.regression": None,
    },
    "optim": {"abreast.optim": None, "torch.optim": None, "schedulefree": None, "pytorch_optimizer": None},
    "schedule": {"abreast.optim": None, "torch.optim.lr_scheduler": None},
    "callbacks": {"abreast.callbacks": None, "lightning.pytorch.callbacks": CALLBACKS},
    "logger": {"abreast.loggers": None, "lightning.pytorch.loggers": None},
    "trainer": {"lightning": frozenset({"Trainer"}), "lightning.pytorch": frozenset({"Trainer"})},
}


def _is_a(kind: type) -> Callable[[object], bool]:
    return lambda target: isinstance(target, type) and issubclass(target, kind)


def _gives_source(target: object) -> bool:
    if not inspect.isfunction(target):
        return False
    return inspect.signature(target).return_annotation in (Source, "Source")


def _gives_network(target: object) -> bool:
    """A network's class, or the function that hands on what the caller of the Python API has given."""
    if _is_a(nn.Module)(target):
        return True
    return inspect.isfunction(target) and target.__module__ == "abreast.models.given"


def _gives_schedule(target: object) -> bool:
    if _is_a(LRScheduler)(target):
        return True
    return inspect.isfunction(target) and target.__module__ == "abreast.optim.schedules"


def _gives_optimizer(target: object) -> bool:
    if _is_a(Optimizer)(target):
        return True
    return inspect.isfunction(target) and target.__module__ == "abreast.optim.by_name"


KINDS: dict[str, tuple[Callable[[object], bool], str]] = {
    "data": (_gives_source, "a function that returns an abreast Source"),
    "module": (_gives_network, "a torch.nn.Module"),
    "metrics": (_is_a(Metric), "a torchmetrics.Metric"),
    "optim": (_gives_optimizer, "a torch.optim.Optimizer"),
    "schedule": (_gives_schedule, "a learning-rate schedule"),
    "callbacks": (_is_a(Callback), "a Lightning callback"),
    "logger": (_is_a(Logger), "a Lightning logger"),
    "trainer": (_is_a(Trainer), "Lightning's Trainer"),
}


def allowed_class(kind: str, target: str) -> Any | None:
    """What a target names, if it is on the list.

    Args:
        kind: A key of `HOMES`.
        target: The full name, by which it is exported or under which it is defined.

    Returns:
        The class or function; None if it is not on the list. No module is imported but those of `HOMES`.
    """
    package = target.partition(".")[0]
    for home in HOMES[kind]:
        if home.partition(".")[0] == package and target in (exports := _exports(kind, home)):
            return exports[target]
    return None


@cache
def _exports(kind: str, home: str) -> dict[str, Any]:
    """What a module exports of a kind, by both of its names."""
    try:
        module = import_module(home)
    except ImportError:  # not installed
        return {}
    fits, _ = KINDS[kind]
    # torch.nn itself has no __all__; its classes are those of torch.nn.modules.
    names = (
        import_module("torch.nn.modules").__all__ if home == "torch.nn" else getattr(module, "__all__", None)
    )
    chosen = HOMES[kind][home]
    exports = {}
    for name in names or vars(module):
        value: Any = getattr(module, name, None)
        if name.startswith("_") or not fits(value) or (chosen is not None and name not in chosen):
            continue
        if str(value.__module__).partition(".")[0] == home.partition(".")[0]:
            exports[f"{home}.{name}"] = exports[f"{value.__module__}.{value.__qualname__}"] = value
    return exports
