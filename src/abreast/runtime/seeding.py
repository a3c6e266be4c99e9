"""Independent random streams from a run's one seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Literal

import numpy as np
import torch

Stream = Literal["order", "dropout", "augment", "mix"]
STREAMS: dict[Stream, int] = {"order": 1, "dropout": 2, "augment": 3, "mix": 4}


def derive(seed: int, stream: Stream, *more: int) -> int:
    """The stream's own seed, in [0, 2**63): a pure function of all arguments."""
    sequence = np.random.SeedSequence([seed, STREAMS[stream], *more])
    return int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1))


def seed_everything(seed: int) -> None:
    """Seed Python's, numpy's and torch's global generators."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    if _has_devices():
        torch.manual_seed(seed)
    else:  # which would note the seed, and where it was called, for each kind of device until there is one
        torch.default_generator.manual_seed(seed)


@cache
def _has_devices() -> bool:
    return torch.accelerator.is_available()


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Inside, the global generators are seeded; afterwards, they are as before."""
    python, numpy = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=[]):
            seed_everything(seed)
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
