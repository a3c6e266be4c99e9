"""The criteria of our own: limits, identities between them, constants."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from abreast.errors import ConfigError
from abreast.losses import (
    LDAM,
    Asymmetric,
    BiTempered,
    CauchySchwarz,
    Chebyshev,
    Focal,
    GeneralizedCrossEntropy,
    L1Probs,
    L2Probs,
    LogitAdjusted,
    LogSquared,
    Loss,
    OneVsRestHinge,
    Poly1,
    Squentropy,
    SymmetricCrossEntropy,
    Tanimoto,
)
from abreast.losses.robust import tempered_log_softmax

FORMS = {
    nn.CrossEntropyLoss: ("logits", "index"),
    nn.NLLLoss: ("log_probs", "index"),
    nn.KLDivLoss: ("log_probs", "one_hot"),
    nn.MultiMarginLoss: ("logits", "index"),
    Asymmetric: ("logits", "one_hot"),
    BiTempered: ("logits", "index"),
    CauchySchwarz: ("log_probs", "index"),
    Chebyshev: ("probs", "one_hot"),
    Focal: ("log_probs", "index"),
    GeneralizedCrossEntropy: ("log_probs", "index"),
    L1Probs: ("probs", "one_hot"),
    L2Probs: ("probs", "one_hot"),
    LDAM: ("logits", "index"),
    LogitAdjusted: ("logits", "index"),
    LogSquared: ("log_probs", "index"),
    OneVsRestHinge: ("logits", "signed"),
    Poly1: ("log_probs", "index"),
    Squentropy: ("logits", "index"),
    SymmetricCrossEntropy: ("log_probs", "index"),
    Tanimoto: ("probs", "one_hot"),
}


def value(criterion: nn.Module, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    scores, form = FORMS[type(criterion)]
    return Loss(criterion, scores=scores, targets=form)(logits, targets)


@pytest.fixture(params=[2, 7], ids=lambda classes: f"{classes} classes")
def batch(request: pytest.FixtureRequest) -> Any:
    generator = torch.Generator().manual_seed(request.param)
    logits = 3 * torch.randn(11, request.param, generator=generator, dtype=torch.float64)
    return logits, torch.randint(request.param, (11,), generator=generator)


CE = nn.CrossEntropyLoss()
IDENTITIES = {
    "NLL of log-softmax is cross-entropy": (nn.NLLLoss(), CE, 1.0),
    "KL from a one-hot target is cross-entropy": (nn.KLDivLoss(reduction="batchmean"), CE, 1.0),
    "focal at gamma 0 is cross-entropy": (Focal(gamma=0), CE, 1.0),
    "poly-1 at epsilon 0 is cross-entropy": (Poly1(epsilon=0), CE, 1.0),
    "generalized cross-entropy at q 1 is Chebyshev, 1 - p": (GeneralizedCrossEntropy(q=1), Chebyshev(), 1.0),
    "the expectation loss is twice Chebyshev": (L1Probs(), Chebyshev(), 2.0),
    "bi-tempered at temperatures 1 is cross-entropy": (BiTempered(t1=1, t2=1), CE, 1.0),
    "bi-tempered near temperatures 1 is near cross-entropy": (BiTempered(1 - 1e-13, 1 + 1e-13), CE, 1.0),
    "symmetric without its reverse is cross-entropy": (SymmetricCrossEntropy(alpha=1, beta=0), CE, 1.0),
    "reverse cross-entropy is 4 (1 - p)": (SymmetricCrossEntropy(alpha=0), Chebyshev(), 4.0),
    "logit-adjusted at tau 0 is cross-entropy": (
        lambda o, y: value(LogitAdjusted(tau=0, class_counts=range(1, o.shape[1] + 1)), o, y),
        CE,
        1.0,
    ),
    "logit-adjusted with equal counts is cross-entropy": (
        lambda o, y: value(LogitAdjusted(class_counts=[5] * o.shape[1]), o, y),
        CE,
        1.0,
    ),
    "logit-adjusted at tau 1 is the balanced softmax": (
        lambda o, y: value(LogitAdjusted(class_counts=range(1, o.shape[1] + 1)), o, y),
        lambda o, y: (
            -(
                (y + 1).double().log()
                + o.gather(1, y[:, None])[:, 0]
                - (o.exp() * torch.arange(1, o.shape[1] + 1)).sum(1).log()
            ).mean()
        ),
        1.0,
    ),
    "LDAM without a margin is cross-entropy": (LDAM(max_margin=0), CE, 1.0),
    "asymmetric without focus or shift is binary cross-entropy, summed": (
        Asymmetric(gamma_neg=0, shift=0),
        lambda o, y: (
            torch.nn.functional.binary_cross_entropy_with_logits(
                o, torch.nn.functional.one_hot(y, o.shape[1]).double(), reduction="sum"
            )
            / len(o)
        ),
        1.0,
    ),
    "poly-1 at epsilon -1 is cross-entropy less 1 - p": (
        Poly1(epsilon=-1),
        lambda o, y: value(CE, o, y) - value(Chebyshev(), o, y),
        1.0,
    ),
}


@pytest.mark.parametrize("name", IDENTITIES)
def test_identity(name: Any, batch: Any) -> None:
    left, right, factor = IDENTITIES[name]
    one, other = (
        value(side, *batch) if isinstance(side, nn.Module) else side(*batch) for side in (left, right)
    )
    torch.testing.assert_close(one, factor * other, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("t2", [1.0001, 1.2, 2.0, 4.0])
@pytest.mark.parametrize("classes", [2, 10, 1000])
@pytest.mark.parametrize("scale", [0.0, 1.0, 30.0])
def test_tempered_probabilities_add_up_to_one(t2: float, classes: int, scale: float) -> None:
    generator = torch.Generator().manual_seed(classes)
    logits = scale * torch.randn(20, classes, generator=generator, dtype=torch.float64)
    log_probs = tempered_log_softmax(logits, t2)
    # exp_t(o_j - lambda): the differences of p^(1 - t) are those of the scores, times (1 - t).
    powers = ((1 - t2) * log_probs).exp()
    assert (log_probs.exp().sum(1) - 1).abs().max() < 1e-12
    differences = (powers - powers[:, :1]) - (1 - t2) * (logits - logits[:, :1])
    assert (differences / powers.amax(1, keepdim=True)).abs().max() < 1e-12


@pytest.mark.parametrize(
    "criterion",
    [
        BiTempered(0.2, 4.0),
        BiTempered(0.5, 1.0),
        Asymmetric(1.0, 2.0, 0.0),
        Asymmetric(0.5, 0.5, 0.2),
        LogitAdjusted(0.7, [9, 1, 4]),
        LDAM(0.5, 30.0, [81, 1, 16]),
        SymmetricCrossEntropy(6.0, 0.1, -2.0),
    ],
    ids=repr,
)
def test_gradient_for_other_constants(criterion: Any) -> None:
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(5, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    targets = torch.tensor([0, 1, 2, 1, 1])
    assert torch.autograd.gradcheck(lambda o: value(criterion, o, targets), logits)


def test_the_loss_of_an_outlier_is_bounded() -> None:
    # -log_t1 p_y <= 1 / (1 - t1), less (1 - 1) / (2 - t1) where another class has all of the probability.
    logits = torch.tensor([[-1e6, 1e6]], dtype=torch.float64)
    got = value(BiTempered(t1=0.5, t2=1.0), logits, torch.tensor([0])).item()
    assert got == pytest.approx(2.0, rel=1e-12)


def test_generalized_cross_entropy_tends_to_cross_entropy(batch: Any) -> None:
    # (1 - p^q)/q = -log p - q (log p)^2 / 2 + ...: the error falls tenfold with q.
    ce = value(CE, *batch)
    far, near = (abs(value(GeneralizedCrossEntropy(q), *batch) - ce).item() for q in (1e-4, 1e-5))
    assert near < 1e-3
    assert far / near == pytest.approx(10, rel=1e-2)


def test_two_classes_one_vs_rest_hinge_is_the_binary_hinge() -> None:
    # o = (-m, m): both classes have the margin m, so the sum is twice max(0, 1/2 - m).
    margins = torch.tensor([-2.0, 0.0, 0.25, 0.5, 3.0], dtype=torch.float64)
    logits = torch.stack([-margins, margins], 1)
    got = value(OneVsRestHinge(), logits, torch.ones(5, dtype=torch.int64))
    assert got.item() == pytest.approx(2 * np.mean([2.5, 0.5, 0.25, 0, 0]))


def _u() -> float:
    """The larger root of u^2 - (2 + log 3) u + log 3."""
    b = 2 + math.log(3)
    return (b + math.sqrt(b * b - 4 * math.log(3))) / 2


def test_values_by_hand() -> None:
    # One row of scores (log 3, 0): p = (3/4, 1/4), right class 0.
    logits = torch.tensor([[math.log(3), 0.0]], dtype=torch.float64)
    expected = {
        L1Probs(): 0.5,
        L2Probs(): 0.125,
        Chebyshev(): 0.25,
        LogSquared(): math.log(4 / 3) ** 2,
        Tanimoto(): -0.75 / (0.625 + 1 - 0.75),
        CauchySchwarz(): -math.log(0.75 / math.sqrt(0.625)),
        Focal(): 0.0625 * math.log(4 / 3),
        Focal(gamma=0.5): 0.5 * math.log(4 / 3),
        Focal(alpha=[0.5, 9.0]): 0.5 * 0.0625 * math.log(4 / 3),
        Poly1(): math.log(4 / 3) + 0.25,
        Poly1(epsilon=2): math.log(4 / 3) + 0.5,
        GeneralizedCrossEntropy(q=0.5): 2 * (1 - math.sqrt(0.75)),
        Squentropy(): math.log(4 / 3),
        OneVsRestHinge(): 0.5,
        OneVsRestHinge(power=2): 0.25,
        OneVsRestHinge(power=3): 0.125,
        BiTempered(t1=0.5, t2=1): 2 * (1 - math.sqrt(0.75)) - (1 - 0.75**1.5 - 0.25**1.5) / 1.5,
        # t2 = 2: p_j = 1 / (1 + lambda - o_j); for o = (log 3, 0) and u = 1 + lambda the sum of 1/(u - log 3)
        # and 1/u is 1, so u^2 - (2 + log 3) u + log 3 = 0.
        BiTempered(t1=1, t2=2): math.log(_u() - math.log(3)) - (1 - (_u() - math.log(3)) ** -1 - _u() ** -1),
        # Counts of 1 and 16: the margins are 0.5 and 0.5 / 2, and log-priors log(1/17) and log(16/17).
        LDAM(class_counts=[1, 16]): math.log1p(math.exp(0.5) / 3),
        LDAM(class_counts=[16, 1]): math.log1p(math.exp(0.25) / 3),
        LDAM(scale=2.0, class_counts=[16, 1]): math.log1p(math.exp(0.5) / 9),
        LogitAdjusted(class_counts=[1, 16]): math.log1p(16 / 3),
        LogitAdjusted(tau=0.5, class_counts=[1, 16]): math.log1p(4 / 3),
        # Sigmoids 3/4 of the class and 1/2 of the other.
        Asymmetric(): math.log(4 / 3) - 0.45**4 * math.log(0.55),
        Asymmetric(gamma_pos=1.0, gamma_neg=1.0, shift=0.0): 0.25 * math.log(4 / 3) + 0.5 * math.log(2),
        SymmetricCrossEntropy(): 0.1 * math.log(4 / 3) + 1,
        OneVsRestHinge(margin=2.0): (2 - math.log(3)) + 2,
    }
    targets = torch.tensor([0])
    got = {criterion: value(criterion, logits, targets).item() for criterion in expected}
    assert got == pytest.approx(expected, rel=1e-7)  # alpha is float32


@pytest.mark.parametrize(
    "criterion",
    [Focal(gamma=g) for g in (0.0, 0.5, 1.0, 5.0)]
    + [GeneralizedCrossEntropy(q) for q in (1e-3, 0.1, 1.0)]
    + [Poly1(e) for e in (-1.0, 0.0, 10.0)]
    + [OneVsRestHinge(p) for p in (1, 1.5, 3)]
    + [Asymmetric(0.5, 0.5, shift) for shift in (0.0, 1e-9)],
    ids=repr,
)
@pytest.mark.parametrize("wrong", [0.0, -1e4, -104.0, 17.0, 1e4])
def test_extreme_scores_are_finite_for_other_constants(criterion: Any, wrong: float) -> None:
    # -104 and 17: exp underflows to 0, and 1 - p rounds to 0 or to the last bit, in float32.
    logits = torch.tensor([[0.0, wrong, wrong], [wrong, 0.0, 0.0]], requires_grad=True)
    loss = value(criterion, logits, torch.tensor([0, 0]))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_focal_gradient(gamma: float, batch: Any) -> None:
    logits, targets = batch
    alpha = torch.linspace(0.5, 2, logits.shape[1], dtype=torch.float64)
    criterion = Focal(gamma, alpha)
    assert torch.autograd.gradcheck(lambda o: value(criterion, o, targets), logits.requires_grad_())


def test_alpha_moves_with_the_module() -> None:
    criterion = Focal(alpha=[1, 2])
    assert list(criterion.state_dict()) == ["alpha"]
    assert criterion.double().alpha.dtype == torch.float64


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Focal(gamma=-1), r"Focal's gamma is -1: it must be a number >= 0"),
        (lambda: Focal(gamma=math.inf), r"gamma is inf"),
        (lambda: Focal(gamma="two"), r"gamma is 'two': it must be a number"),
        (lambda: Focal(gamma=True), r"gamma is True"),
        (lambda: Focal(alpha=0.25), r"alpha is 0.25: it must be a list"),
        (lambda: Focal(alpha=[0.25, -0.75]), r"alpha is -0.75"),
        (lambda: Poly1(epsilon=-1.5), r"epsilon is -1.5: it must be a number >= -1"),
        (lambda: Poly1(epsilon=math.nan), r"epsilon is nan"),
        (lambda: GeneralizedCrossEntropy(q=0), r"q is 0: it must be a number > 0 and <= 1"),
        (lambda: GeneralizedCrossEntropy(q=1.1), r"q is 1.1"),
        (lambda: BiTempered(t1=1.5), r"t1 is 1.5: it must be a number >= 0 and <= 1"),
        (lambda: BiTempered(t2=0.9), r"t2 is 0.9: it must be a number >= 1"),
        (lambda: SymmetricCrossEntropy(log_zero=0), r"log_zero is 0: it must be a number < 0"),
        (lambda: Asymmetric(shift=1), r"shift is 1: it must be a number >= 0 and < 1"),
        (lambda: LDAM(scale=0), r"scale is 0: it must be a number > 0"),
        (lambda: LDAM(class_counts=[3, 0]), r"class 1 has none. Choose another loss"),
        (lambda: LogitAdjusted(class_counts=[3, -1]), r"class_counts holds -1: counts are whole"),
        (lambda: LogitAdjusted(class_counts=torch.tensor([3, 0.5])), r"class_counts holds 0.5"),
        (lambda: LogitAdjusted(class_counts=7), r"class_counts is 7: it must be a list"),
        (lambda: OneVsRestHinge(power=0.5), r"power is 0.5: it must be a number >= 1"),
        (lambda: OneVsRestHinge(margin=0), r"margin is 0: it must be a number > 0"),
    ],
)
def test_constants_out_of_range(make: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()
