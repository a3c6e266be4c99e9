"""Optimizers and learning-rate schedules that torch has only in parts."""

from abreast.optim.muon import MuonAdamW
from abreast.optim.schedules import warmup_cosine

__all__ = ["MuonAdamW", "warmup_cosine"]
