"""The `_target_`s of a configuration: what Hydra is asked to build."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

OURS = frozenset({"abreast", "lightning", "torch", "torchmetrics"})


def targets(node: Any) -> Iterator[str]:
    """Every `_target_` in a nest of plain data."""
    if isinstance(node, Mapping):
        if isinstance(node.get("_target_"), str):
            yield node["_target_"]
        node = list(node.values())
    if isinstance(node, list):
        for each in node:
            yield from targets(each)


def own_targets(config: Mapping[str, Any]) -> list[str]:
    """Hydra's whitelist for a user's own configuration: its targets, and everything in their packages.

    Only for a configuration that comes from the user's own command line; never for one that was found in
    a run directory. Python's standard library is let in by full name only.
    """
    named = set(targets(config))
    packages = {target.partition(".")[0] for target in named} | OURS
    return sorted(named | {f"{package}.*" for package in packages - sys.stdlib_module_names})
