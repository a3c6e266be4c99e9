"""Which forms of scores and targets a criterion takes, read from its source: torch is not imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from abreast.static.definitions import Definition, find, lookup
from abreast.static.modules import Module

CONTRACTS = "abreast.losses.specs.CONTRACTS"


class Forms(NamedTuple):
    """The same as `abreast.losses.Contract`."""

    scores: tuple[str, ...]
    targets: tuple[str, ...]
    why: str


def forms_of(target: str) -> Forms | None:
    """What a criterion class declares as `wants`, or what is known of torch's own; None for no word on it."""
    try:
        found, table = find(target), find(CONTRACTS)
    except LookupError:
        return None
    if not isinstance(found, Definition) or not isinstance(found.node, ast.ClassDef):
        return None
    if (declared := _declared(found)) is not None:
        return declared
    if not isinstance(table, Definition) or not isinstance(table.node, ast.Dict):
        return None
    for key, value in zip(table.node.keys, table.node.values, strict=True):
        name = key.attr if isinstance(key, ast.Attribute) else ""
        if name == found.node.name and found.module.name.startswith("torch."):
            return _read(table.module, value)
    return None


def _declared(found: Definition) -> Forms | None:
    assert isinstance(found.node, ast.ClassDef)
    for node in found.node.body:
        match node:
            case ast.Assign(targets=[ast.Name(id="wants")], value=value):
                return _read(found.module, value)
    return None


def _read(module: Module, value: ast.expr) -> Forms | None:
    if isinstance(value, ast.Name):
        found = lookup(module, value)
        if found is None or not isinstance(found.node, ast.expr):
            return None
        value = found.node
    if not isinstance(value, ast.Call):
        return None
    try:
        return Forms(*map(ast.literal_eval, value.args))
    except (ValueError, TypeError):
        return None


def check_forms(loss: Mapping[str, Any]) -> Iterator[str]:
    """A message for each form that the loss's criterion is not defined for."""
    criterion, tasks = loss.get("criterion"), loss.get("tasks") or ()
    if not isinstance(criterion, Mapping):
        return
    target = str(criterion.get("_target_"))
    name = target.rpartition(".")[2]
    forms = forms_of(target)
    if forms is not None and "classification" in tasks:
        for key, allowed in (("scores", forms.scores), ("targets", forms.targets)):
            if isinstance(loss.get(key), str) and loss[key] not in allowed:
                fix = " or ".join(allowed)
                yield f"loss.{key}: {name} does not take {loss[key]}: {forms.why}; write loss.{key}={fix}"
    if "regression" in tasks and loss.get("scores", "logits") != "logits":
        fix = "write loss.scores=logits or loss.tasks=[classification]"
        yield f"loss.scores: regression takes the scores as they are; {fix}"
    if name == "KLDivLoss" and criterion.get("log_target") is True:
        yield "loss.criterion.log_target: a one-hot target has no logarithm; write false"
