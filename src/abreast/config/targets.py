"""The `_target_`s of a configuration: what Hydra is asked to build."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

OURS = frozenset({"abreast", "lightning", "torch", "torchmetrics"})

GROUPS = ("data", "model", "loss", "optim", "schedule", "trainer")  # whose options build what trains a run

_KNOWN = OURS | {"hydra_plugins", "schedulefree", "torchvision"}


def is_custom(name: str) -> bool:
    """Whether a dotted name is of a package whose classes are not known here, and may do anything.

    >>> is_custom("torch.nn.modules.loss"), is_custom("my_losses.Noisy")
    (False, True)
    """
    return name.partition(".")[0] not in _KNOWN


GIVEN_NETWORK = "abreast.models.given"  # makes what was given in Python


def is_custom_network(model: Mapping[str, Any]) -> bool:
    """Whether the configuration of a network names none of abreast's own."""
    target = str(model["_target_"])
    return target == GIVEN_NETWORK or not target.startswith("abreast.models.")


def built_class(node: Mapping[str, Any]) -> str:
    """The name of the class that a group's configuration is about; "" for none.

    >>> built_class({"_target_": "abreast.losses.Loss", "criterion": {"_target_": "torch.nn.MSELoss"}})
    'MSELoss'
    """
    inner = node.get("criterion") or node.get("scheduler") or node
    target = inner.get("_target_") if isinstance(inner, Mapping) else None
    return str(target or "").rpartition(".")[2]


def targets(node: Any) -> Iterator[str]:
    """Every `_target_` in a nest of plain data."""
    if isinstance(node, Mapping):
        if isinstance(node.get("_target_"), str):
            yield node["_target_"]
        node = list(node.values())
    if isinstance(node, list):
        for inner in node:
            yield from targets(inner)


def own_targets(config: Mapping[str, Any]) -> list[str]:
    """Hydra's whitelist for a configuration that the user wrote: its targets, and all of their packages.

    Only for a configuration that comes from the command line; never for one that was read from
    a run directory. Python's standard library is allowed by full name only.
    """
    names = set(targets(config))
    packages = {target.partition(".")[0] for target in names} | OURS
    return sorted(names | {f"{package}.*" for package in packages - sys.stdlib_module_names})
