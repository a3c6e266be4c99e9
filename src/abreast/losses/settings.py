"""Checks of a loss's settings, before any data are seen."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable
from dataclasses import astuple
from functools import cache
from typing import Annotated, TypeAlias, get_args, get_origin, get_type_hints

import torch
from annotated_types import BaseMetadata, Ge, Gt, Le, Lt
from torch import nn

from abreast.config.criterion_specs import SPECS, CriterionSpec, public_name, takes_shares
from abreast.errors import ConfigError
from abreast.suggestions import did_you_mean

Compare: TypeAlias = Callable[[float, float], bool]

COMPARISONS: dict[type[BaseMetadata], tuple[str, Compare]] = {
    Ge: (">=", operator.ge),
    Gt: (">", operator.gt),
    Le: ("<=", operator.le),
    Lt: ("<", operator.lt),
}
TORCH_IGNORES = -100  # the default of torch's criteria, which no label has


def check_choice(what: str, value: object, allowed: Iterable[str]) -> None:
    """Raise ConfigError, with the nearest allowed name, unless ``value`` is one of ``allowed``."""
    names = list(allowed)
    if value not in names:
        near = did_you_mean(str(value), names)
        raise ConfigError(f"{what} is {value!r}: allowed are {', '.join(names)}{near}")


def spec_of(criterion: nn.Module) -> CriterionSpec | None:
    """What a criterion says of itself in `spec`, or what is known of its exact class; None for neither.

    A subclass of a known class may take other forms than its parent.
    """
    declared: CriterionSpec | None = getattr(criterion, "spec", None)
    kind = type(criterion)
    return declared or SPECS.get(public_name(kind.__module__, kind.__qualname__))


def check_forms(criterion: nn.Module, scores: str, targets: str) -> None:
    """Raise ConfigError where a known criterion is given a form it is not defined for."""
    spec = spec_of(criterion)
    if spec is None:
        return
    for what, form, allowed in (("scores", scores, spec.scores), ("targets", targets, spec.targets)):
        if form not in allowed:
            raise ConfigError(
                f"{type(criterion).__name__} cannot take {what}: {form}: {spec.why}. "
                f"Set loss.{what}={' or '.join(allowed)}"
            )


def check_criterion(criterion: object) -> None:
    """Raise ConfigError unless this is a module whose value is a mean over the batch."""
    if not isinstance(criterion, nn.Module):
        raise ConfigError(
            f"loss.criterion is {criterion!r}: it must be a torch.nn.Module. Give it a _target_, "
            "such as torch.nn.CrossEntropyLoss"
        )
    name = type(criterion).__name__
    reduction = getattr(criterion, "reduction", "mean")
    if reduction not in ("mean", "batchmean"):
        raise ConfigError(
            f"{name} has reduction: {reduction}: a loss here is one number, the mean over the batch, "
            "so that it does not grow with the batch size. Set loss.criterion.reduction=mean"
        )
    if isinstance(criterion, nn.KLDivLoss) and criterion.log_target:
        raise ConfigError(
            "KLDivLoss has log_target: true, but a one-hot target has no logarithm. "
            "Set loss.criterion.log_target=false"
        )


def check_class_weights(criterion: nn.Module, outputs: int | None) -> None:
    """Raise ConfigError unless every per-class weight is a finite number >= 0, one for each output."""
    buffers = dict(criterion.named_buffers(recurse=False))
    for key in ("weight", "pos_weight", "alpha", "class_counts"):
        weight = buffers.get(key)
        if weight is None:
            continue
        name = f"{type(criterion).__name__}'s {key}"
        values = weight.tolist()
        if weight.dim() != 1 or (outputs is not None and len(values) != outputs):
            expected = "one" if outputs is None else f"{outputs}, one"
            raise ConfigError(f"{name} has shape {list(weight.shape)}: give {expected} number for each class")
        if not bool((torch.isfinite(weight) & (weight >= 0)).all()) or not bool((weight > 0).any()):
            raise ConfigError(f"{name} is {values}: weights are finite, >= 0, and not all 0")


def check_ignored(criterion: nn.Module, targets: str) -> None:
    """Raise ConfigError where examples are to be ignored by a label that the criterion does not get."""
    ignored = getattr(criterion, "ignore_index", None)
    if targets != "index" and ignored not in (None, TORCH_IGNORES):
        raise ConfigError(
            f"{type(criterion).__name__} has ignore_index: {ignored}, but targets: {targets} have no labels "
            "to ignore examples by. Set loss.targets=index, or leave ignore_index out"
        )


def check_mixed(criterion: nn.Module, targets: str, mixed: bool) -> None:
    """Raise ConfigError where targets are mixed for a criterion that takes one class an example."""
    if mixed and not takes_shares(public_name(type(criterion).__module__, type(criterion).__name__), targets):
        raise ConfigError(
            f"data.augment: mixup and cutmix give each example shares of two classes, but "
            f"{type(criterion).__name__} takes targets: {targets}. Choose a loss with targets: one_hot, or "
            "cross_entropy"
        )


def constant(owner: nn.Module, name: str, value: object) -> float:
    """The value of a constructor's parameter as a float.

    Raises:
        ConfigError: It is not finite, or outside of the bounds of the parameter's annotation.
    """
    kind: type = type(owner)
    bounds = _bounds(kind, name)
    number = float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else math.nan
    if math.isfinite(number) and all(compare(number, limit) for _, compare, limit in bounds):
        return number
    allowed = " and ".join(f"{sign} {limit:g}" for sign, _, limit in bounds)
    raise ConfigError(f"{kind.__name__}'s {name} is {value!r}: it must be a number {allowed}")


@cache
def _bounds(kind: type, name: str) -> list[tuple[str, Compare, float]]:
    """Sign, comparison and limit of each bound in the annotation of a criterion's parameter."""
    ours = next(base for base in kind.__mro__ if base.__module__.startswith("abreast.losses."))
    waiting = [get_type_hints(vars(ours)["__init__"], include_extras=True)[name]]
    while waiting:
        hint = waiting.pop(0)
        if get_origin(hint) is Annotated:
            return [(*COMPARISONS[type(bound)], astuple(bound)[0]) for bound in hint.__metadata__]
        waiting += get_args(hint)
    return []
