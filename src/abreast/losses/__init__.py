"""Losses: an adapter for any criterion, and the criteria that torch lacks."""

from abreast.config.criterion_specs import CriterionSpec
from abreast.losses.asymmetric import Asymmetric
from abreast.losses.checks import LossInputError
from abreast.losses.class_counts import LDAM, LogitAdjusted
from abreast.losses.classification import Focal, GeneralizedCrossEntropy, LogSquared, Poly1, Squentropy
from abreast.losses.loss import TASKS, Loss
from abreast.losses.margin import OneVsRestHinge
from abreast.losses.probability import CauchySchwarz, Chebyshev, L1Probs, L2Probs, Tanimoto
from abreast.losses.robust import BiTempered, SymmetricCrossEntropy
from abreast.losses.transforms import SCORES, TARGETS

__all__ = [
    "LDAM",
    "SCORES",
    "TARGETS",
    "TASKS",
    "Asymmetric",
    "BiTempered",
    "CauchySchwarz",
    "Chebyshev",
    "CriterionSpec",
    "Focal",
    "GeneralizedCrossEntropy",
    "L1Probs",
    "L2Probs",
    "LogSquared",
    "LogitAdjusted",
    "Loss",
    "LossInputError",
    "OneVsRestHinge",
    "Poly1",
    "Squentropy",
    "SymmetricCrossEntropy",
    "Tanimoto",
]
