"""The mean of a batch's losses has the bits of torch's own."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from abreast.stacking.losses import negative_mean


@pytest.mark.parametrize("rows", [*range(1, 40), 64, 127, 128, 255, 256, 257, 272, 1000, 4096, 5001])
def test_the_mean_of_losses_is_torchs(rows: int) -> None:
    generator = torch.Generator().manual_seed(rows)
    scores = torch.randn(3, rows, 10, generator=generator)
    labels = torch.randint(0, 10, (3, rows), generator=generator)
    logs = scores.log_softmax(-1)
    expected = torch.stack([nn.functional.nll_loss(own, y) for own, y in zip(logs, labels, strict=True)])
    assert negative_mean(logs.gather(-1, labels[..., None]).squeeze(-1)).equal(expected)
