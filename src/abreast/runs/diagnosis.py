"""The likely cause of a run that learned nothing, from its configuration and its training curve."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TypeGuard

from abreast.config.types import is_number
from abreast.runs.chance import Chance

STEADY = 0.8  # share of the epochs in which the loss has to fall to count as falling steadily
GREW = 1.05  # the last loss over the first, from which on the loss counts as having grown
MOVED = 1e-3  # relative spread of the losses below which the loss did not move
BURST = 5.0  # the first loss over the last, from which on the first steps count as too long
FITTED = 0.5  # training accuracy or R² from which on the training examples count as learned


def likely_cause(
    settings: Mapping[str, object], curve: Mapping[str, Sequence[float]], *, fitted: float = FITTED
) -> str:
    """Say what the training curve shows and which setting probably caused it.

    Args:
        settings: `loss`, `optim` and `optim.lr`, as on the command line, as far as they are known.
        curve: The columns of metrics.csv, one value an epoch.
        fitted: Training accuracy or R² from which on the training examples count as learned.

    Returns:
        A sentence. Where the curve allows several causes it names all of them.
    """
    losses = list(curve.get("train/loss", ()))
    if not losses:
        return "There is no training curve that could show why."
    lr = settings.get("optim.lr")
    rate = f"optim.lr={_text(lr)}" if _is_rate(lr) else "the learning rate"
    context = "".join(f" {word} {key}={_text(settings[key])}" for word, key in _words(settings))
    if not all(map(math.isfinite, losses)):
        return f"The training loss is not finite: {rate} is probably too large{context}."
    first, last = losses[0], losses[-1]
    epochs = f"{len(losses)} epochs"
    path = f"{first:.4g} in the first epoch, {last:.4g} in the last of {epochs}"
    if len(losses) == 1:
        return (
            f"One epoch does not show why; train for longer, or try other values of {rate.partition('=')[0]}."
        )
    scores = list(curve.get("train/accuracy") or curve.get("train/r2") or (0.0,))
    if scores[-1] >= fitted:
        return (
            f"The training loss fell ({path}) and the training examples were learned: the test examples "
            "probably differ from them (labels, normalisation, or the wrong data)."
        )
    if last > first + (GREW - 1) * abs(first):
        return f"The training loss grew ({path}): {rate} is probably too large{context}."
    if first > BURST * abs(last):
        return (
            f"The training loss was huge at first and nothing was learned after it ({path}): {rate} is "
            f"probably too large{context}."
        )
    spread = (max(losses) - min(losses)) / max(map(abs, losses)) if any(losses) else 0.0
    falls = sum(after < before for before, after in pairwise(losses)) / (len(losses) - 1)
    if spread < MOVED and falls < STEADY:
        return (
            f"The training loss did not move ({path}): {rate} is far too small{context}, or no gradient "
            "reaches the weights."
        )
    if falls >= STEADY:
        more = f" (try optim.lr={10 * lr:.3g} or {100 * lr:.3g})" if _is_rate(lr) else ""
        return (
            f"The training loss fell in nearly every epoch, but too slowly ({path}): {rate} is probably too "
            f"small{context}{more}, or {epochs} are too few."
        )
    return (
        f"The training loss has no trend ({path}): {rate} is probably too large{context}, so that the "
        "network got stuck, or this network cannot learn from this loss."
    )


def fitted_level(chance: Chance | None) -> float:
    """Return the training accuracy from which on a run has learned its training examples."""
    return FITTED if chance is None else min(0.99, 2 * chance.limit)


def _words(settings: Mapping[str, object]) -> list[tuple[str, str]]:
    return [(word, key) for word, key in (("for", "loss"), ("with", "optim")) if settings.get(key)]


def _is_rate(lr: object) -> TypeGuard[float]:
    return is_number(lr) and lr > 0


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
