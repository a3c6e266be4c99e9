"""The batched cross-entropy and its gradient are bitwise those of each lane."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from abreast.stacking.losses import cross_entropy
from abreast.stacking.losses.cross_entropy import StackedCrossEntropy, exact_by_class, negative_mean

SIZES = [(32, 10), (128, 10), (27, 10), (7, 3), (1, 10), (16, 2), (64, 15), (64, 16), (33, 26), (5, 1)]


@pytest.mark.parametrize(("examples", "classes"), SIZES)
@pytest.mark.parametrize("by_class", [True, False])
def test_the_gradient_is_each_lanes(
    examples: int, classes: int, by_class: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not by_class:
        monkeypatch.setattr(cross_entropy, "exact_by_class", lambda *_: False)
    generator = torch.Generator().manual_seed(1)
    scores = torch.randn(6, examples, classes, generator=generator)
    scores *= torch.tensor([0.01, 1.0, 10.0, 100.0, 1e4, 0.0])[:, None, None]
    targets = torch.randint(classes, (6, examples), generator=generator)
    gradient, saved = StackedCrossEntropy().gradient(scores, targets)
    values = StackedCrossEntropy().values([saved])[0]
    for lane in range(6):
        leaf = scores[lane].clone().requires_grad_()
        loss = nn.functional.cross_entropy(leaf, targets[lane])
        loss.backward()  # type: ignore[no-untyped-call]
        assert torch.equal(leaf.grad, gradient[lane])  # type: ignore[arg-type]
        assert torch.equal(loss.detach(), values[lane])


def test_a_lane_that_is_not_finite_changes_no_other() -> None:
    scores = torch.randn(3, 32, 10, generator=torch.Generator().manual_seed(0))
    targets = torch.zeros(3, 32, dtype=torch.int64)
    expected = StackedCrossEntropy().gradient(scores, targets)
    scores[1, 3] = torch.inf
    gradient, saved = StackedCrossEntropy().gradient(scores, targets)
    assert torch.equal(gradient[[0, 2]], expected[0][[0, 2]])
    assert torch.equal(saved[[0, 2]], expected[1][[0, 2]])
    assert saved[1, 3].isnan()


def test_what_adds_in_another_order_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cross_entropy, "VECTOR", 64)
    assert not exact_by_class.__wrapped__(64, 40)


@pytest.mark.parametrize("rows", [*range(1, 40), 64, 127, 128, 255, 256, 257, 272, 1000, 4096, 5001])
def test_the_mean_of_losses_is_torchs(rows: int) -> None:
    generator = torch.Generator().manual_seed(rows)
    scores = torch.randn(3, rows, 10, generator=generator)
    labels = torch.randint(0, 10, (3, rows), generator=generator)
    logs = scores.log_softmax(-1)
    expected = torch.stack([nn.functional.nll_loss(own, y) for own, y in zip(logs, labels, strict=True)])
    assert negative_mean(logs.gather(-1, labels[..., None]).squeeze(-1)).equal(expected)
