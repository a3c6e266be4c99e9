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
    CauchySchwarz,
    Chebyshev,
    Focal,
    GeneralizedCrossEntropy,
    L1Probs,
    L2Probs,
    LogSquared,
    Loss,
    OneVsRestHinge,
    Poly1,
    Squentropy,
    Tanimoto,
)

FORMS = {
    nn.CrossEntropyLoss: ("logits", "index"),
    nn.NLLLoss: ("log_probs", "index"),
    nn.KLDivLoss: ("log_probs", "one_hot"),
    nn.MultiMarginLoss: ("logits", "index"),
    CauchySchwarz: ("log_probs", "index"),
    Chebyshev: ("probs", "one_hot"),
    Focal: ("log_probs", "index"),
    GeneralizedCrossEntropy: ("log_probs", "index"),
    L1Probs: ("probs", "one_hot"),
    L2Probs: ("probs", "one_hot"),
    LogSquared: ("log_probs", "index"),
    OneVsRestHinge: ("logits", "signed"),
    Poly1: ("log_probs", "index"),
    Squentropy: ("logits", "index"),
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
    "poly-1 at epsilon -1 is cross-entropy less 1 - p": (
        Poly1(epsilon=-1),
        lambda o, y: value(CE, o, y) - value(Chebyshev(), o, y),
        1.0,
    ),
}


@pytest.mark.parametrize("name", IDENTITIES)
def test_identity(name: Any, batch: Any) -> None:
    left, right, factor = IDENTITIES[name]
    other = value(right, *batch) if isinstance(right, nn.Module) else right(*batch)
    torch.testing.assert_close(value(left, *batch), factor * other, rtol=1e-12, atol=1e-14)


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
    + [OneVsRestHinge(p) for p in (1, 1.5, 3)],
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
        (lambda: OneVsRestHinge(power=0.5), r"power is 0.5: it must be a number >= 1"),
        (lambda: OneVsRestHinge(margin=0), r"margin is 0: it must be a number > 0"),
    ],
)
def test_constants_out_of_range(make: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()
