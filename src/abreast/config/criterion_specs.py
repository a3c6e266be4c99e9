"""The forms of scores and targets that each known criterion takes, by its dotted name. No torch.

A criterion that is not in `SPECS` can say the same in a class attribute:
`spec = CriterionSpec(("sigmoid",), ("signed",), "reason")`. Without either its forms are not checked.
"""

from __future__ import annotations

from typing import NamedTuple


class CriterionSpec(NamedTuple):
    """What a criterion is defined for.

    Attributes:
        scores: The forms of scores it takes (see `abreast.losses.SCORES`).
        targets: The forms of targets it takes (see `abreast.losses.TARGETS`).
        why: What goes wrong with others; it ends a sentence in an error message.
    """

    scores: tuple[str, ...]
    targets: tuple[str, ...]
    why: str


_NUMERIC = CriterionSpec(
    ("logits", "probs", "sigmoid"),
    ("one_hot", "signed"),
    "it takes the difference of scores and targets, and the index of a class is not a quantity",
)
_LOG_PROBS = CriterionSpec(
    ("log_probs",), ("index",), "it is written in terms of log-softmax and class indices"
)
_PROBS = CriterionSpec(
    ("probs",), ("one_hot",), "it compares a distribution over the classes with a one-hot one"
)
_SIGMOID = CriterionSpec(
    ("logits",), ("one_hot",), "it applies the sigmoid itself, and its targets are 0 and 1"
)
_SIGNED = CriterionSpec(("logits",), ("signed",), "a target of 0 gives a constant")

SPECS: dict[str, CriterionSpec] = {
    "torch.nn.CrossEntropyLoss": CriterionSpec(
        ("logits",),
        ("index", "one_hot"),
        "it applies log-softmax itself; after a softmax it cannot fall below 1.461 with 10 classes",
    ),
    "torch.nn.NLLLoss": CriterionSpec(("log_probs",), ("index",), "on raw scores it is unbounded below"),
    "torch.nn.KLDivLoss": CriterionSpec(
        ("log_probs",),
        ("one_hot",),
        "it compares log-probabilities with a distribution; on other scores it can be negative",
    ),
    "torch.nn.BCELoss": CriterionSpec(
        ("sigmoid", "probs"), ("one_hot",), "it compares probabilities with targets of 0 and 1"
    ),
    "torch.nn.BCEWithLogitsLoss": _SIGMOID,
    "torch.nn.MultiMarginLoss": CriterionSpec(
        ("logits", "log_probs", "probs", "sigmoid"),
        ("index",),
        "it compares scores, and selects that of the true class by its index",
    ),
    "torch.nn.HingeEmbeddingLoss": CriterionSpec(
        ("distance",),
        ("signed",),
        "a target of 0 gives a constant, and a negative distance a loss unbounded below",
    ),
    "torch.nn.SoftMarginLoss": _SIGNED,
    "torch.nn.MultiLabelSoftMarginLoss": _SIGMOID,
    **dict.fromkeys(
        ("torch.nn.MSELoss", "torch.nn.L1Loss", "torch.nn.SmoothL1Loss", "torch.nn.HuberLoss"), _NUMERIC
    ),
    **dict.fromkeys(
        (
            "abreast.losses.Focal",
            "abreast.losses.Poly1",
            "abreast.losses.GeneralizedCrossEntropy",
            "abreast.losses.LogSquared",
            "abreast.losses.CauchySchwarz",
            "abreast.losses.SymmetricCrossEntropy",
        ),
        _LOG_PROBS,
    ),
    "abreast.losses.Squentropy": CriterionSpec(
        ("logits",), ("index",), "it applies log-softmax itself and squares the raw scores"
    ),
    **dict.fromkeys(
        (
            "abreast.losses.L1Probs",
            "abreast.losses.L2Probs",
            "abreast.losses.Chebyshev",
            "abreast.losses.Tanimoto",
        ),
        _PROBS,
    ),
    **dict.fromkeys(
        ("abreast.losses.LogitAdjusted", "abreast.losses.LDAM", "abreast.losses.BiTempered"),
        CriterionSpec(("logits",), ("index",), "it normalises the raw scores itself"),
    ),
    "abreast.losses.Asymmetric": _SIGMOID,
    "abreast.losses.OneVsRestHinge": _SIGNED,
}


def public_name(module: str, name: str) -> str:
    """The dotted name that `SPECS` has for a class, from the module that defines it.

    >>> public_name("torch.nn.modules.loss", "MSELoss")
    'torch.nn.MSELoss'
    """
    for package in ("torch.nn", "abreast.losses"):
        if module.startswith(f"{package}."):
            return f"{package}.{name}"
    return f"{module}.{name}"


def takes_shares(criterion: str, targets: str) -> bool:
    """Whether a criterion's targets may be shares of the classes: one-hot ones, or torch's cross-entropy.

    >>> takes_shares("torch.nn.MultiMarginLoss", "index")
    False
    """
    return targets == "one_hot" or (targets == "index" and criterion == "torch.nn.CrossEntropyLoss")
