"""Which forms of scores and targets a criterion takes, without importing torch or the criterion."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from abreast.config.augmentation import mixing
from abreast.config.criterion_specs import SPECS, CriterionSpec, public_name, takes_shares
from abreast.config.options import groups, option
from abreast.static.definitions import Definition, find
from abreast.suggestions import listed

TORCH_IGNORES = -100  # the default of torch's criteria, which no label has


def spec_of(target: str) -> CriterionSpec | None:
    """What is known of a criterion, or what a custom one declares as `spec`; None where neither exists."""
    try:
        definition = find(target)
    except LookupError:
        return None
    if not isinstance(definition, Definition) or not isinstance(definition.node, ast.ClassDef):
        return None
    known = SPECS.get(public_name(definition.module.name, definition.node.name))
    return known or _declared(definition.node)


def _declared(node: ast.ClassDef) -> CriterionSpec | None:
    for statement in node.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id="spec")], value=ast.Call(args=arguments)):
                try:
                    return CriterionSpec(*map(ast.literal_eval, arguments))
                except (ValueError, TypeError):
                    return None
    return None


def check_forms(loss: Mapping[str, Any]) -> Iterator[str]:
    """A message for each form that the loss's criterion is not defined for."""
    criterion, tasks = loss.get("criterion"), loss.get("tasks") or ()
    if not isinstance(tasks, (str, list)):
        return
    if not isinstance(criterion, Mapping):
        return
    target = str(criterion.get("_target_"))
    name = target.rpartition(".")[2]
    spec = spec_of(target)
    if spec is not None and "classification" in tasks:
        for key, allowed in (("scores", spec.scores), ("targets", spec.targets)):
            if isinstance(loss.get(key), str) and loss[key] not in allowed:
                fix = " or ".join(allowed)
                yield f"loss.{key}: {name} does not take {loss[key]}: {spec.why}; write loss.{key}={fix}"
    if "regression" in tasks and loss.get("scores", "logits") != "logits":
        fix = "write loss.scores=logits or loss.tasks=[classification]"
        yield f"loss.scores: regression takes the scores as they are; {fix}"
    if criterion.get("ignore_index") not in (None, TORCH_IGNORES) and loss.get("targets", "index") != "index":
        fix = "write loss.targets=index, or leave ignore_index out"
        yield f"loss.criterion.ignore_index: {loss['targets']} targets have no labels to ignore; {fix}"
    if name == "KLDivLoss" and criterion.get("log_target") is True:
        yield "loss.criterion.log_target: a one-hot target has no logarithm; write false"


def check_mixing(config: Mapping[str, Any], folders: Sequence[Path]) -> Iterator[str]:
    """A message for a loss that takes one class for each example, where examples are mixed."""
    data, loss = config.get("data"), config.get("loss")
    if not isinstance(data, Mapping) or not isinstance(loss, Mapping):
        return
    names = mixing(data.get("augment"))
    if names and data.get("task") == "classification" and not _takes_shares(loss):
        options = groups(folders).get("loss", ())
        fitting = [name for name in options if _takes_shares(option("loss", name, folders))]
        yield (
            f"data.augment.{names[0]}: gives each example shares of two classes, and this loss takes one "
            f"class. Losses that take shares: {listed(fitting)}"
        )


def _takes_shares(loss: Mapping[str, Any]) -> bool:
    criterion = loss.get("criterion")
    target = criterion.get("_target_") if isinstance(criterion, Mapping) else None
    return takes_shares(str(target), str(loss.get("targets", "index")))
