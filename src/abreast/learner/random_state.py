"""State of the global random generators, in a form that a checkpoint may hold."""

from __future__ import annotations

import random
from typing import Any, TypedDict

import numpy as np
import torch
from torch import Tensor


class RandomState(TypedDict):
    """State of Python's, numpy's and torch's global generators, as tensors and plain values."""

    python: Any
    numpy: list[Any]
    torch: Tensor
    cuda: Tensor | None


def random_state() -> RandomState:
    """The state of this process's global generators."""
    return {
        "python": random.getstate(),
        "numpy": _numpy_state(np.random.get_state()),
        "torch": torch.random.get_rng_state(),
        "cuda": torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
    }


def fresh_random_state(seed: int, generator: torch.Generator) -> RandomState:
    """The state of a process that was seeded and has drawn from nothing but torch's generator.

    Args:
        seed: The seed of Python's and numpy's generators.
        generator: Stands in for torch's global generator.
    """
    return {
        "python": random.Random(seed).getstate(),
        "numpy": _numpy_state(np.random.RandomState(seed % 2**32).get_state()),
        "torch": generator.get_state(),
        "cuda": None,
    }


def _numpy_state(state: Any) -> list[Any]:
    name, key, position, has_gauss, cached_gaussian = state
    words = torch.from_numpy(np.asarray(key).astype(np.int64))
    return [str(name), words, position, has_gauss, cached_gaussian]


def set_random_state(state: RandomState) -> None:
    """Set the global generators to a state that `random_state` returned."""
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words), gauss))
    name, key, *rest = state["numpy"]
    np.random.set_state((name, key.numpy().astype(np.uint32), *rest))
    torch.random.set_rng_state(state["torch"].cpu())
    if state["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"].cpu())
