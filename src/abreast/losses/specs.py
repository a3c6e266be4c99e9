"""What a criterion takes, and the checks of a loss's settings before any data are seen."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import nn

from abreast.errors import ConfigError


class Contract(NamedTuple):
    """The forms of scores and targets a criterion is defined for, and what goes wrong with others.

    A criterion class declares its own as a class attribute ``wants``.
    """

    scores: tuple[str, ...]
    targets: tuple[str, ...]
    why: str


_NUMERIC = Contract(
    ("logits", "probs", "sigmoid"),
    ("one_hot", "signed"),
    "it takes the difference of scores and targets, and the number of a class is no quantity",
)

# The key is the exact class: a subclass may take other forms than its parent.
CONTRACTS: dict[type[nn.Module], Contract] = {
    nn.CrossEntropyLoss: Contract(
        ("logits",),
        ("index", "one_hot"),
        "it applies log-softmax itself; after a softmax it cannot fall below 1.461 with 10 classes",
    ),
    nn.NLLLoss: Contract(("log_probs",), ("index",), "on raw scores it is unbounded below"),
    nn.KLDivLoss: Contract(
        ("log_probs",),
        ("one_hot",),
        "it compares log-probabilities with a distribution; on other scores it can be negative",
    ),
    nn.BCELoss: Contract(
        ("sigmoid", "probs"), ("one_hot",), "it compares probabilities with targets of 0 and 1"
    ),
    nn.BCEWithLogitsLoss: Contract(
        ("logits",), ("one_hot",), "it applies the sigmoid itself, and its targets are 0 and 1"
    ),
    nn.MultiMarginLoss: Contract(
        ("logits", "log_probs", "probs", "sigmoid"),
        ("index",),
        "it compares scores, and finds the class's own by its index",
    ),
    nn.HingeEmbeddingLoss: Contract(
        ("distance",),
        ("signed",),
        "a target of 0 gives a constant, and a negative distance a loss unbounded below",
    ),
    nn.SoftMarginLoss: Contract(("logits",), ("signed",), "a target of 0 gives a constant"),
    nn.MultiLabelSoftMarginLoss: Contract(
        ("logits",), ("one_hot",), "it applies the sigmoid itself, and its targets are 0 and 1"
    ),
    nn.MSELoss: _NUMERIC,
    nn.L1Loss: _NUMERIC,
    nn.SmoothL1Loss: _NUMERIC,
    nn.HuberLoss: _NUMERIC,
}


def check_choice(what: str, value: object, allowed: Iterable[str]) -> None:
    """Raise ConfigError, with the nearest allowed name, unless ``value`` is one of ``allowed``."""
    names = list(allowed)
    if value in names:
        return
    near = difflib.get_close_matches(str(value), names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise ConfigError(f"{what} is {value!r}: allowed are {', '.join(names)}{hint}")


def check_contract(criterion: nn.Module, scores: str, targets: str) -> None:
    """Raise ConfigError where a known criterion is given a form it is not defined for."""
    wants: Contract | None = getattr(criterion, "wants", None) or CONTRACTS.get(type(criterion))
    if wants is None:
        return
    for what, form, allowed in (("scores", scores, wants.scores), ("targets", targets, wants.targets)):
        if form not in allowed:
            raise ConfigError(
                f"{type(criterion).__name__} cannot take {what}: {form}: {wants.why}. "
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
    for key in ("weight", "pos_weight", "alpha"):
        weight = buffers.get(key)
        if weight is None:
            continue
        name = f"{type(criterion).__name__}'s {key}"
        values = weight.tolist()
        if weight.dim() != 1 or (outputs is not None and len(values) != outputs):
            want = "one" if outputs is None else f"{outputs}, one"
            raise ConfigError(f"{name} has shape {list(weight.shape)}: give {want} number for each class")
        if not bool((torch.isfinite(weight) & (weight >= 0)).all()) or not bool((weight > 0).any()):
            raise ConfigError(f"{name} is {values}: weights are finite, >= 0, and not all 0")


def constant(
    owner: nn.Module, name: str, value: object, low: float, high: float = math.inf, *, above: bool = False
) -> float:
    """The value as a float; ConfigError unless finite and in [low, high], or (low, high] with ``above``."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        inside = low < value <= high if above else low <= value <= high
        if inside and math.isfinite(value):
            return float(value)
    lower = f"> {low:g}" if above else f">= {low:g}"
    upper = f" and <= {high:g}" if math.isfinite(high) else ""
    raise ConfigError(f"{type(owner).__name__}'s {name} is {value!r}: it must be a number {lower}{upper}")
