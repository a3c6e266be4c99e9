"""Metrics that measure any number of networks at once, so that a stack measures its lanes together."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities.data import dim_zero_cat

Kind = Literal["sum", "cat"]
States = dict[str, Tensor]


class BatchedMetric(Metric):
    """A metric of a state that is added up, or concatenated, over the examples.

    `measure` and `value` work on scores `[N, C]` of one network, and on `[K, N, C]` of K networks; the K
    values are bitwise those of the networks one by one. A subclass gives both, and the states that `measure`
    returns: a `sum` has a shape, a `cat` holds an entry an example, in the dimension of the examples.

    Args:
        sums: The shape of each state that is added up; its type is int64 if `counts` names it, else float32.
        counts: The states of integers.
        cats: The states that are concatenated.

    Attributes:
        takes: What it is given: `logits` or `probs`; see `abreast.metrics.request.SCORES`.
    """

    is_differentiable = False
    full_state_update = False
    takes: Literal["logits", "probs"] = "logits"

    def __init__(
        self,
        sums: Mapping[str, tuple[int, ...]],
        counts: frozenset[str] | None = None,
        cats: tuple[str, ...] = (),
    ) -> None:
        super().__init__()
        self.kinds: dict[str, Kind] = {**dict.fromkeys(sums, "sum"), **dict.fromkeys(cats, "cat")}
        for name, shape in sums.items():
            is_count = counts is None or name in counts
            zeros = torch.zeros(shape, dtype=torch.int64 if is_count else torch.float32)
            self.add_state(name, zeros, dist_reduce_fx="sum")
        for name in cats:
            self.add_state(name, [], dist_reduce_fx="cat")

    @abstractmethod
    def measure(self, scores: Tensor, targets: Tensor, counted: Tensor | None) -> States:
        """What some examples add to the states.

        Args:
            scores: `[..., N, C]`, in the form that the metric takes.
            targets: Labels `[..., N]`; for regression `[..., N, C]`.
            counted: Which examples count, bool `[..., N]`; None for all.
        """

    @abstractmethod
    def value(self, states: States) -> Tensor:
        """The metric `[...]` of the states of all examples; nan where it is not defined."""

    def update(self, preds: Tensor, target: Tensor, counted: Tensor | None = None) -> None:
        """Add examples of one network."""
        for name, part in self.measure(preds, target, counted).items():
            if self.kinds[name] == "cat":
                getattr(self, name).append(part)
            else:
                setattr(self, name, getattr(self, name) + part)

    def compute(self) -> Tensor:
        """The metric of one network."""
        states: dict[str, Any] = {name: getattr(self, name) for name in self.kinds}
        return self.value(
            {
                name: dim_zero_cat(state) if self.kinds[name] == "cat" else state
                for name, state in states.items()
            }
        )

    def joined(self, name: str, old: Tensor, new: Tensor) -> Tensor:
        """Two parts of a state of K networks, `[K, ...]` each, as one."""
        return torch.cat([old, new], 1) if self.kinds[name] == "cat" else old + new


def sum_last(values: Tensor) -> Tensor:
    """The sum over the last dimension, network by network: in the order in which one network is summed up."""
    if values.dim() == 1:
        return values.sum()
    return torch.stack([sum_last(row) for row in values.unbind()])


def mean_of(values: Tensor, where: Tensor) -> Tensor:
    """The mean over the last dimension of the values where a condition holds; nan where it nowhere does."""
    return sum_last(torch.where(where, values, 0.0)) / where.sum(-1)


def tally(index: Tensor, size: int, weights: Tensor) -> Tensor:
    """How much weight each index has: `[..., N]` and weights alike give `[..., size]`."""
    zeros = torch.zeros((*index.shape[:-1], size), dtype=weights.dtype, device=index.device)
    return zeros.scatter_add_(-1, index, weights)
