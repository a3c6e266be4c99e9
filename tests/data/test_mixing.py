"""Mixup and CutMix: what the papers' formulas say of the share that was drawn."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from abreast.data.augment import Augment
from abreast.data.mixing import mixed
from abreast.errors import ConfigError
from abreast.losses import Loss

IMAGES = torch.rand(6, 2, 8, 10, generator=torch.Generator().manual_seed(0)) + 0.5
LABELS = torch.tensor([0, 1, 2, 3, 4, 5])


def partners(shares: torch.Tensor, share: float) -> list[int]:
    """Each example's partner: where its other share lies; itself where it keeps all."""
    others = shares - share * torch.eye(6)
    assert torch.allclose(others.sum(1), torch.full((6,), 1 - share))
    return others.argmax(1).tolist()


@pytest.mark.parametrize("seed", range(5))
def test_mixup_is_zhangs_equation(seed: int) -> None:
    """Section 2: `share * x + (1 - share) * x'`, of targets too."""
    inputs, shares = mixed(IMAGES, LABELS, 6, mixup=0.4, cutmix=0.0, seed=seed)
    share = float(np.random.default_rng(seed).beta(0.4, 0.4))
    partner = partners(shares, share)
    assert sorted(partner) == LABELS.tolist()
    torch.testing.assert_close(inputs, share * IMAGES + (1 - share) * IMAGES[partner])


@pytest.mark.parametrize("seed", range(5))
def test_cutmix_is_yuns_equation(seed: int) -> None:
    """Equations 1 and 2: a rectangle of the partner's, and the share of the area that stays."""
    inputs, shares = mixed(IMAGES, LABELS, 6, mixup=0.0, cutmix=1.0, seed=seed)
    is_own = (inputs == IMAGES).all(1)  # [6, H, W]
    moved = [k for k in range(6) if not bool(is_own[k].all())]
    for k in moved:
        rows, columns = (~is_own[k]).nonzero().T
        height, width = rows.max() - rows.min() + 1, columns.max() - columns.min() + 1
        assert int(height * width) == len(rows)  # a rectangle
        share = 1 - len(rows) / 80
        assert float(shares[k, k]) == pytest.approx(share)
        partner = int((shares[k] - share * torch.eye(6)[k]).argmax())
        torch.testing.assert_close(inputs[k][:, ~is_own[k]], IMAGES[partner][:, ~is_own[k]])
    torch.testing.assert_close(shares.sum(1), torch.ones(6))


def test_the_shares_are_betas() -> None:
    """Beta(0.2, 0.2) has mean 1/2 and variance 1 / (4 * (2 * 0.2 + 1)); a random other is the partner."""
    values = torch.tensor([[0.0], [1.0]])
    draws = [mixed(values, values, 0, 0.2, 0.0, seed)[1] for seed in range(2000)]
    both = [draw[0, 0].item() for draw in draws if draw[0, 0] != 0]  # 1 - share, where it got the other
    assert len(both) == pytest.approx(1000, abs=80)
    assert np.mean(both) == pytest.approx(0.5, abs=0.05)
    assert np.var(both) == pytest.approx(1 / 5.6, abs=0.02)


def test_both_are_drawn_in_turn() -> None:
    """A share of CutMix counts pixels: 80 of an image."""
    drawn = [mixed(IMAGES, LABELS, 6, 1.0, 1.0, seed)[1] for seed in range(60)]
    pixels = [80 * shares[shares > 0].min().item() for shares in drawn]
    assert 15 < sum(abs(count - round(count)) < 1e-3 for count in pixels) < 45


def test_values_are_mixed_and_inputs_stay_as_they_are() -> None:
    values = torch.arange(12.0).view(6, 2)
    before = IMAGES.clone()
    augment = Augment(mixup=0.4)
    inputs, targets = augment.examples(IMAGES, values, 0, 1.0, (1, 2, 3))
    assert torch.equal(IMAGES, before)
    assert not torch.equal(inputs, IMAGES)
    assert targets.shape == values.shape
    assert torch.allclose(targets[:, 1] - targets[:, 0], torch.ones(6))
    again = augment.examples(IMAGES, values, 0, 1.0, (1, 2, 3))
    assert torch.equal(inputs, again[0])
    assert torch.equal(targets, again[1])
    assert not torch.equal(inputs, augment.examples(IMAGES, values, 0, 1.0, (1, 2, 4))[0])


def test_a_mixed_loss_is_the_mean_over_the_shares() -> None:
    """Zhang's reference program: share * loss(first) + (1 - share) * loss(second), for cross-entropy."""
    loss = Loss(torch.nn.CrossEntropyLoss(), mixed=True)
    scores = torch.randn(6, 6, generator=torch.Generator().manual_seed(1))
    shares = 0.7 * torch.eye(6) + 0.3 * torch.eye(6).flip(0)
    expected = 0.7 * loss(scores, LABELS) + 0.3 * loss(scores, LABELS.flip(0))
    torch.testing.assert_close(loss(scores, shares), expected)
    assert torch.equal(loss.labels(shares), LABELS)
    assert loss.weight(shares) == 6
    with pytest.raises(ConfigError, match=r"MultiMarginLoss takes targets: index\. Choose a loss with"):
        Loss(torch.nn.MultiMarginLoss(), mixed=True)
    with pytest.raises(ConfigError, match=r"data\.augment\.cutmix: some examples have no class"):
        Augment.from_config({"cutmix": 1.0}, (1, 8, 8), ignores=True)
