"""The parts of a configuration that are built from a `_target_`, and the checks of one such part."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from abreast.config.schema import LoaderKeys, MetricKeys, OptimizerKeys, required
from abreast.config.types import Config
from abreast.static.annotations import kinds_of
from abreast.static.definitions import NameMissingError, PackageMissingError
from abreast.static.fit import misfit, out_of_bounds
from abreast.static.modules import is_installed
from abreast.static.signatures import Parameter, Signature, resolve
from abreast.suggestions import did_you_mean, listed
from abreast.validation.base_classes import wrong_class
from abreast.validation.packages import install_advice
from abreast.validation.ranges import is_object, out_of_range

HYDRA_KEYS = {"_target_", "_partial_", "_args_", "_convert_", "_recursive_"}

# What the run fills in itself: the first must not be set, the others may be.
_FILLED: dict[str, tuple[set[str], set[str]]] = {
    "model": (set(), {"in_features", "out_features", "in_shape"}),
    "loss": ({"outputs", "task", "check_labels"}, set()),
    "optim": ({"params"}, {"num_iterations"}),
    "scheduler": ({"optimizer"}, {"total_steps", "total_epochs"}),
    "trainer": (
        {"callbacks", "logger", "plugins", "default_root_dir", "use_distributed_sampler"}
        | {"enable_progress_bar", "enable_model_summary", "num_sanity_val_steps"},
        set(),
    ),
    "logger": ({"run_dir"}, {"save_dir"}),
    "callbacks": (set(), {"monitor"}),
    "metrics": (set(), {"num_classes"}),
}
# The keys that the run itself reads, beside those of the class or function.
_SCHEMAS: dict[str, type] = {"data": LoaderKeys, "optim": OptimizerKeys}
# What the run calls itself, and with what.
_PARTIAL = {"optim": "the network's parameters", "schedule.scheduler": "the optimizer"}
# Classes and functions that import without the package they need.
_NEEDS = {
    "by_name": "pytorch_optimizer",
    "Wandb": "wandb",
    "MLflow": "mlflow",
    "WandbLogger": "wandb",
    "MLFlowLogger": "mlflow",
    "TensorBoardLogger": "tensorboard",
    "CometLogger": "comet_ml",
}
# Python's standard library has os.remove and the like; these modules only have values.
_HARMLESS = {"collections", "datetime", "decimal", "fractions", "pathlib"}
# Arguments for another class, given as plain keys.
_WITHOUT_TARGET = {("abreast.optim.MuonAdamW", "adamw"): "torch.optim.AdamW"}


@dataclass(frozen=True)
class Component:
    """A mapping with a `_target_`, its key, the section whose ranges hold, and its name in messages."""

    key: str
    section: str
    values: Mapping[str, Any]
    label: str = ""
    extra: Mapping[str, Parameter] = field(default_factory=dict)  # keys that the run itself reads

    @property
    def target(self) -> str:
        """The dotted name to build."""
        return str(self.values["_target_"])


def components(config: Mapping[str, Any], choices: Mapping[str, Any]) -> Iterator[Component | str]:
    """Every part to be built; a message for one that has no `_target_`."""
    for group in ("data", "model", "loss", "optim", "trainer"):
        if group in config:
            choice = choices.get(group)
            label = f"{group}={choice}" if isinstance(choice, str) else ""
            schema = _SCHEMAS.get(group)
            extra = {} if schema is None else schema_parameters(schema)
            yield from _part(Component(group, group, config[group], label, extra))
    schedule = config.get("schedule")
    if isinstance(schedule, Mapping) and schedule.get("scheduler") is not None:
        yield from _part(Component("schedule.scheduler", "scheduler", schedule["scheduler"]))
    for group in ("logger", "callbacks", "metrics"):
        entries = config.get(group)
        extra = schema_parameters(MetricKeys) if group == "metrics" else {}
        if isinstance(entries, Mapping):
            for name, values in entries.items():
                if values is not None:
                    yield from _part(Component(f"{group}.{name}", group, values, extra=extra))


def schema_parameters(schema: type) -> Mapping[str, Parameter]:
    """The keys of a schema of ours, read from its source as the parameters of components are."""
    signature = resolve(f"{schema.__module__}.{schema.__qualname__}")
    assert signature is not None
    return signature.parameters


def _part(component: Component) -> Iterator[Component | str]:
    """A component and those inside it."""
    key, values = component.key, component.values
    if not isinstance(values, Mapping) or not isinstance(values.get("_target_"), str):
        names = [str(name) for name in values] if isinstance(values, Mapping) else []
        hint = f"; it has {listed(names)}" if names else ""
        yield f"{key}: has no _target_, the dotted name of the class or function to build{hint}"
        return
    if component.section == "loss" and not is_object(values.get("criterion", {"_target_": ""})):
        yield f"{key}.criterion: has no _target_, the dotted name of the criterion to build"
        return
    yield component
    inside = "criterion" if component.section == "loss" else ""
    for name, value in values.items():
        for path, node in _mappings(f"{key}.{name}", value):
            if "_target_" in node:
                yield from _part(Component(path, inside, node))
            elif target := _WITHOUT_TARGET.get((component.target, str(name))):
                yield Component(path, component.section, {"_target_": target, **node})


def _mappings(key: str, value: object) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(value, Mapping):
        yield key, value
    if isinstance(value, list):
        for index, element in enumerate(value):
            yield from _mappings(f"{key}[{index}]", element)


def check(component: Component) -> Iterator[str]:
    """A message for each mistake in one component."""
    missing = _not_installed(component)
    if missing:
        yield missing
        return
    try:
        signature = resolve(component.target)
    except PackageMissingError as error:
        yield f"{component.key}: {error.package} is not installed: {install_advice(error.package)}"
        return
    except NameMissingError as error:
        near = did_you_mean(error.name, error.names, f"{error.owner}.{{}}")
        yield f"{component.key}._target_: {error}" + (near or f"; it has {listed(error.names)}")
        return
    except TypeError as error:
        yield f"{component.key}._target_: {error}, not a class or function"
        return
    called_with = _PARTIAL.get(component.key)
    if called_with and component.values.get("_partial_") is not True:
        yield f"{component.key}._partial_: must be true: the run itself calls it, with {called_with}"
    if component.key == "loss" and signature is not None and "criterion" not in signature.parameters:
        yield f"loss._target_: must be abreast.losses.Loss; {component.target} belongs under loss.criterion"
        return
    wrong = wrong_class(component.key, component.section, component.target)
    if wrong is not None:
        yield f"{component.key}._target_: {wrong}"
        return
    yield from _values(component, signature)


def _not_installed(component: Component) -> str | None:
    package, _, rest = component.target.partition(".")
    if package in sys.stdlib_module_names - _HARMLESS:
        return f"{component.key}._target_: {component.target} is part of Python; name a class to build"
    if not rest:
        return f"{component.key}._target_: {component.target!r} is not a dotted name such as torch.optim.Adam"
    needed = _NEEDS.get(component.target.rpartition(".")[2]) if package in ("abreast", "lightning") else None
    if needed and not is_installed(needed):
        return f"{component.key}: {needed} is not installed: {install_advice(needed)}"
    return None


def takes(component: Component, signature: Signature) -> list[str]:
    """The keys of a component: those of its file first, then those the run fills in if they are left out."""
    never, later = _FILLED.get(component.section, (set(), set()))
    names = [name for name in signature.parameters if name not in never]
    return list(dict.fromkeys([*(name for name in names if name not in later), *component.extra, *names]))


def _values(component: Component, signature: Signature | None) -> Iterator[str]:
    key, section = component.key, component.section
    values = {str(name): value for name, value in component.values.items() if name not in HYDRA_KEYS}
    typed: Config = {}
    never, later = _FILLED.get(section, (set(), set()))
    for name, value in values.items():
        path = f"{key}.{name}"
        if signature is not None and name in never and name in signature.parameters:
            yield f"{path}: the run fills this in; leave it out"
        elif signature is not None and name not in takes(component, signature) and not signature.is_open:
            yield unknown(component, signature, name)
        elif not _is_finite(value):
            yield f"{path}: {value} is not a finite number"
        elif name in later and value is None:
            pass
        elif message := _mistyped(component, signature, name, value):
            yield message
        else:
            typed[name] = value
            for parameter in _parameters(component, signature, name):
                yield from out_of_bounds(path, value, kinds_of(parameter))
    if not component.target.startswith("abreast."):
        yield from out_of_range(key, typed, section)
    for name in required(LoaderKeys) if component.section == "data" else ():
        if name not in values:
            yield f"{key}.{name}: is missing; the run needs it"
    if signature is not None and "_args_" not in component.values:
        for name, parameter in signature.parameters.items():
            if parameter.is_required and name not in values | dict.fromkeys(never | later):
                yield f"{key}.{name}: is missing; {component.target} needs it"


def _mistyped(component: Component, signature: Signature | None, name: str, value: object) -> str | None:
    messages = (
        misfit(f"{component.key}.{name}", value, kinds_of(parameter))
        for parameter in _parameters(component, signature, name)
    )
    return next(filter(None, messages), None)


def _parameters(component: Component, signature: Signature | None, name: str) -> Iterator[Parameter]:
    """What reads a key: the run, the target, or both."""
    if name in component.extra:
        yield component.extra[name]
    if signature is not None and name in signature.parameters:
        yield signature.parameters[name]


def unknown(component: Component, signature: Signature, name: str) -> str:
    """The message for a key that the target does not take."""
    allowed = takes(component, signature)
    what = listed(allowed) or "no keys"
    near = did_you_mean(name, allowed, f"{component.key}.{{}}")
    return f"{component.key}.{name}: no such key. {component.label or component.target} takes: {what}{near}"


def _is_finite(value: object) -> bool:
    if isinstance(value, list):
        return all(map(_is_finite, value))
    return not isinstance(value, float) or math.isfinite(value)
