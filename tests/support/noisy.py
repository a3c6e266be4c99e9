"""Custom code that draws random numbers from the process's global generators."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from abreast.data.source import Source, Split


class NoisyLoss(nn.Module):
    """Cross-entropy of scores with noise, from all three libraries, also while it is built."""

    def __init__(self, counts: bool = True) -> None:
        super().__init__()
        self.scale = float(np.random.rand()) + random.random() + float(torch.rand(()))
        self.calls = 0
        self.counts = counts

    def forward(self, scores: Tensor, targets: Tensor) -> Tensor:
        """The mean over the batch."""
        self.calls += self.counts
        noise = torch.randn_like(scores) * random.random() * float(np.random.rand())
        return nn.functional.cross_entropy(scores + noise * self.scale, targets) * (1 + self.calls / 100)


class NoisyNet(nn.Module):
    """Noise in the forward pass, by one of several ways."""

    def __init__(self, in_features: int, out_features: int, way: str = "torch") -> None:
        super().__init__()
        self.linear = nn.Linear(in_features, out_features)
        self.way = way

    def forward(self, x: Tensor) -> Tensor:
        """Raw scores."""
        x = x.flatten(1)
        if self.way == "torch":
            x = x + torch.randn_like(x)
        elif self.way == "functional":
            x = nn.functional.dropout(x, 0.5, training=True)
        elif self.way == "numpy":
            x = x * float(np.random.rand())
        elif self.way == "python":
            x = x * random.random()
        scores: Tensor = self.linear(x)
        return scores


class NoisySGD(torch.optim.SGD):
    """Steps with noise, as Langevin dynamics has it."""

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """A step, then noise."""
        result = super().step(closure)
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.add_(torch.randn_like(parameter), alpha=1e-3)
        return result


def drawn_source() -> Source:
    """Data that depend on the run's seed."""
    rows = torch.rand(60, 6)
    split = Split(rows, (rows.sum(1) * 4).long() % 3)
    return Source(split, split, ("a", "b", "c"))
