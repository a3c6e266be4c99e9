"""Networks and data that are given as objects: their names in the configuration, and the objects."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from lightning.pytorch import LightningModule
from torch import nn

from abreast.api.arrays import PARTS, data_name, named_arrays, task_of
from abreast.api.host import host_kept
from abreast.api.source_digest import network_name
from abreast.config.types import Config
from abreast.errors import ConfigError, RunError
from abreast.runtime.given import Kind
from abreast.suggestions import listed

Objects = dict[tuple[Kind, str], Any]

KEYS: dict[Kind, str] = {"model": "network", "data": "arrays"}  # of `conf/<kind>/given.yaml`
OWN_TRAINING = ("training_step", "configure_optimizers")


def take_objects(settings: Mapping[str, Any], *, is_sweep: bool) -> tuple[dict[str, Any], Objects]:
    """Let the configuration name what is given as an object under `model` and `data`.

    Args:
        settings: Values by key, as of `abreast.train`.
        is_sweep: Whether a list holds what is swept over.

    Returns:
        The settings, with the names of the objects in their place, and the objects.

    Raises:
        ConfigError: An object is of no kind that can be trained, or trained on.
        DataError: Data are broken.
    """
    chosen: dict[str, Any] = {}
    objects: Objects = {}
    for kind, key in KEYS.items():
        value = settings.get(kind)
        several = value if is_sweep and isinstance(value, list) else None
        values = [value] if several is None else [item for item in several if _is_object(kind, item)]
        if not values or not _is_object(kind, values[0]):
            continue
        if several is not None and len(values) != len(several):
            raise ConfigError(f"{kind}: sweep over options by name, or over objects, not over both at once")
        by_name = {name: item for item in values for name, item in _given(kind, item).items()}
        objects |= {(kind, name): item for name, item in by_name.items()}
        chosen |= {kind: "given", f"{kind}.{key}": list(by_name) if several else next(iter(by_name))}
        if kind == "data":
            chosen["data.task"] = _task(by_name)
        elif is_sweep and "seed" in settings and any(isinstance(item, nn.Module) for item in values):
            warnings.warn(
                "every run of the sweep starts from the weights of the network that is given; for weights "
                "that each run draws by its seed give its class, or a function that makes it",
                stacklevel=4,
            )
    return {**chosen, **{name: value for name, value in settings.items() if name not in chosen}}, objects


def objects_of(config: Config, model: Any, data: Any) -> Objects:
    """The objects that a run was made with, given again.

    Args:
        config: The run's configuration.
        model: Its network; None where it is not needed.
        data: Its data; None where they are not needed.

    Raises:
        RunError: The run was made with something else.
    """
    objects: Objects = {}
    given: dict[Kind, Any] = {"model": model, "data": data}
    for kind, value in given.items():
        if value is None:
            continue
        expected = (config.get(kind) or {}).get(KEYS[kind])
        if expected is None:
            raise RunError(f"{kind}: the run was made without an object given in Python; leave {kind}= out")
        by_name = _given(kind, value)
        if expected not in by_name:
            raise RunError(
                f"{kind}: the run was made with {expected}, and what is given now is {listed(by_name)}. Give "
                "what it was made with, its source and its values unchanged"
            )
        objects |= {(kind, name): item for name, item in by_name.items()}
    return objects


def _is_object(kind: Kind, value: Any) -> bool:
    if value is None or isinstance(value, str):
        return False
    if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
        return False
    if isinstance(value, Mapping):
        return kind == "data" and bool({*value} & {*PARTS})
    return kind == "data" or callable(value)


def _given(kind: Kind, value: Any) -> dict[str, Any]:
    """An object by its name; data as arrays."""
    if kind == "data":
        with host_kept():  # a data set may draw random numbers
            arrays = named_arrays(value)
        return {data_name(arrays): arrays}
    if isinstance(value, type) and not issubclass(value, nn.Module):
        raise ConfigError(f"model: {value.__name__} is not a torch.nn.Module")
    kind_of = value if isinstance(value, type) else type(value)
    unused = [
        name
        for name in OWN_TRAINING
        if issubclass(kind_of, LightningModule)
        and getattr(kind_of, name) is not getattr(LightningModule, name)
    ]
    if unused:
        warnings.warn(
            f"{kind_of.__name__}: its forward is trained, with what loss= and optim= say; not called: "
            f"{', '.join(unused)} (docs/python.md says why)",
            stacklevel=5,
        )
    return {network_name(value): value}


def _task(data: Mapping[str, Any]) -> str:
    tasks = {task_of(arrays) for arrays in data.values()}
    if len(tasks) > 1:
        raise ConfigError("data: some targets are classes, others numbers; sweep over data of one task")
    return tasks.pop()
