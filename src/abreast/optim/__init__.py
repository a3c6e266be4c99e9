"""Optimizers and learning-rate schedules that torch does not have."""

from abreast.optim.muon import MuonAdamW
from abreast.optim.schedules import warmup_cosine

__all__ = ["MuonAdamW", "warmup_cosine"]
