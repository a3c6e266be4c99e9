"""Fixed random splits and the private random streams they are drawn from."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

from abreast.errors import ConfigError


def generator(seed: int, purpose: str) -> torch.Generator:
    """A CPU generator for one purpose; the global one is not touched.

    The purpose is hashed into the seed. Seed 0 of a teacher, of a split and of a network's initial weights
    would otherwise be one stream of numbers, and the network would start out correlated with its teacher.

    Args:
        seed: A whole number of 0 or more.
        purpose: What is drawn, in words.

    Raises:
        ConfigError: The seed is something else.
    """
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        raise ConfigError(f"{purpose} {seed=!r} must be a whole number of 0 or more.")
    digest = hashlib.sha256(f"{purpose}:{seed}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))


def stratified_split(targets: Tensor, fraction: float, seed: int) -> tuple[Tensor, Tensor]:
    """Split rows into (train, held out), both sorted int64 indices: a pure function of the arguments.

    Exactly `round(fraction * N)` rows are held out, but at least one (of two or more, if the fraction is
    above 0) and never all. Integer targets `[N]` are held out in proportion to their class, by largest
    remainder; floating-point targets (regression) at random.

    Args:
        targets: Of all rows.
        fraction: Share of the rows to hold out, from 0 to below 1.
        seed: Draws the rows.

    Raises:
        ConfigError: The share or the seed is out of its range.
    """
    if isinstance(fraction, bool) or not isinstance(fraction, (int, float)) or not 0 <= fraction < 1:
        raise ConfigError(f"{fraction=!r} of the rows to hold out must be a number from 0 to below 1.")
    n = len(targets)
    held = min(max(round(fraction * n), 1), n - 1) if fraction and n else 0
    random = generator(seed, "split")
    order = torch.randperm(n, generator=random)
    chosen = order[:held] if targets.is_floating_point() else _by_class(targets, order, held)
    is_held = torch.zeros(n, dtype=torch.bool)
    is_held[chosen] = True
    return (~is_held).nonzero().flatten(), is_held.nonzero().flatten()


def fold_numbers(targets: Tensor, folds: int, seed: int) -> Tensor:
    """The fold of every row, int64 `[N]` from 0 to `folds - 1`: a pure function of the arguments.

    Folds differ by one row at most, in all and in every class of integer targets `[N]`: the rows, in a random
    order and by class, are dealt out like cards. Floating-point targets (regression) are dealt at random.

    Args:
        targets: Of all rows.
        folds: The number of folds, from 2 to the number of rows.
        seed: Draws the order of the rows.

    Raises:
        ConfigError: The number of folds or the seed is out of its range.
    """
    if isinstance(folds, bool) or not isinstance(folds, int) or not 2 <= folds <= len(targets):
        raise ConfigError(
            f"data.{folds=!r} of {len(targets)} rows must be a whole number from 2 to {len(targets)}: "
            "a fold has one row or more"
        )
    order = torch.randperm(len(targets), generator=generator(seed, "folds"))
    if not targets.is_floating_point():
        order = order[targets[order].argsort(stable=True)]
    numbers = torch.empty(len(targets), dtype=torch.int64)
    numbers[order] = torch.arange(len(targets)) % folds
    return numbers


def _by_class(targets: Tensor, order: Tensor, held: int) -> Tensor:
    _, labels, counts = torch.unique(targets, return_inverse=True, return_counts=True)
    # Whole numbers: a quota of 0.1 * 30 must be 3, not 3.0000000000000004 with a remainder.
    quota = counts * held // len(targets)
    remainder = counts * held % len(targets)
    short = held - int(quota.sum())
    quota[remainder.argsort(descending=True, stable=True)[:short]] += 1

    grouped = order[labels[order].argsort(stable=True)]
    rank_in_class = torch.arange(len(targets)) - (counts.cumsum(0) - counts).repeat_interleave(counts)
    return grouped[rank_in_class < quota.repeat_interleave(counts)]
