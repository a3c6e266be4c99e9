"""Optimizers and learning-rate schedules that torch does not have."""

from abreast.optim.by_name import by_name
from abreast.optim.lookahead import Lookahead
from abreast.optim.muon import MuonAdamW
from abreast.optim.sam import SAM
from abreast.optim.schedules import cosine_restarts, polynomial, rex, warmup_cosine, warmup_stable_decay

__all__ = [
    "SAM",
    "Lookahead",
    "MuonAdamW",
    "by_name",
    "cosine_restarts",
    "polynomial",
    "rex",
    "warmup_cosine",
    "warmup_stable_decay",
]
