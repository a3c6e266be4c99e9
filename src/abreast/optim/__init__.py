"""Optimizers and learning-rate schedules that torch does not have."""

from abreast.optim.muon import MuonAdamW
from abreast.optim.schedules import cosine_restarts, polynomial, rex, warmup_cosine, warmup_stable_decay

__all__ = [
    "MuonAdamW",
    "cosine_restarts",
    "polynomial",
    "rex",
    "warmup_cosine",
    "warmup_stable_decay",
]
