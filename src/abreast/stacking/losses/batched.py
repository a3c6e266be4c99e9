"""Losses of one class in many lanes on a device, by a few kernels; compared with each lane's at first."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from abreast.config.types import is_number
from abreast.errors import class_and_line
from abreast.losses import Loss
from abreast.stacking.grouping import equal_neighbours
from abreast.stacking.losses.criterion import StackedCriterion
from abreast.stacking.losses.formulas import FORMULAS

log = logging.getLogger(__name__)

CLOSE = 1e-4  # of the norm of a lane's gradient, and of its loss
COMPARED = 12  # lanes, at most
ROWS = 32  # examples that are compared, at most
REASON = 200  # characters of a reason, at most
MakeIndividual = Callable[[slice], StackedCriterion]


def structure(loss: Loss) -> Hashable:
    """What is equal for losses that may be batched: all but the values of their numbers and buffers."""
    criterion = loss.criterion
    is_plain = not [*criterion.children(), *criterion.parameters(recurse=False)]
    public = {name: value for name, value in vars(criterion).items() if not name.startswith("_")}
    return (
        type(criterion),
        (loss.scores, loss.targets, loss.task, loss.ignores, loss.mixed, loss.ignore_index),
        tuple((name, None if is_number(value) else repr(value)) for name, value in public.items()),
        tuple((name, None if b is None else (b.shape, b.dtype)) for name, b in criterion._buffers.items()),
        None if is_plain else id(criterion),
    )


def numbers(loss: Loss) -> dict[str, float]:
    """The numbers that the criterion was made with."""
    return {name: value for name, value in vars(loss.criterion).items() if is_number(value)}


class BatchedLosses(StackedCriterion):
    """The lanes' loss as a function of one lane, mapped over all of them by `torch.func.vmap`.

    Numbers in which lanes differ become tensors, one value a lane; equal ones stay numbers.

    Args:
        losses: The lanes' losses, of one `structure`.
        device: Where the scores are.
    """

    def __init__(self, losses: Sequence[Loss], device: torch.device) -> None:
        self._loss = copy.deepcopy(losses[0])
        by_lane = [numbers(loss) for loss in losses]
        self._numbers = {
            name: torch.tensor([float(lane[name]) for lane in by_lane], device=device)
            for name in by_lane[0]
            if len({lane[name] for lane in by_lane}) > 1
        }
        self._buffers = {
            name: torch.stack([loss.criterion.get_buffer(name) for loss in losses])
            for name, _ in losses[0].criterion.named_buffers(recurse=False)
        }

    @torch.enable_grad()
    def gradient(self, scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Saves the losses `[k]`."""
        leaf = scores.detach().requires_grad_()
        losses = torch.func.vmap(self._lane)(leaf, targets, self._numbers, self._buffers)
        (gradient,) = torch.autograd.grad(losses, leaf, torch.ones_like(losses))
        return gradient, losses.detach()

    def evaluate(self, scores: Tensor, targets: Tensor) -> Tensor:
        """The losses `[k]` of scores `[k, B, C]` and the targets `[B]` of all lanes, without gradients."""
        losses: Tensor = torch.func.vmap(self._lane, in_dims=(0, None, 0, 0))(
            scores, targets, self._numbers, self._buffers
        )
        return losses

    def _lane(
        self, scores: Tensor, targets: Tensor, numbers: Mapping[str, Tensor], buffers: Mapping[str, Tensor]
    ) -> Tensor:
        criterion = copy.copy(self._loss.criterion)
        vars(criterion).update(numbers)
        criterion._buffers = {**criterion._buffers, **buffers}
        formula = FORMULAS.get(type(criterion))
        loss = copy.copy(self._loss)
        vars(loss)["criterion"] = criterion if formula is None else partial(formula, criterion)
        value: Tensor = loss(scores, targets)
        return value


class DeviceLosses(StackedCriterion):
    """The losses of neighbouring lanes of one `structure`, batched where that gives what each lane's gives.

    All together, or else those together whose numbers are equal, or else each by itself. What is chosen is
    compared with the individual losses in the first step, which is not recorded.

    Args:
        losses: The lanes' losses.
        individually: Makes what computes some of the lanes one by one.
    """

    def __init__(self, losses: Sequence[Loss], individually: MakeIndividual) -> None:
        self.losses = losses
        self.individually = individually
        self.parts: list[tuple[slice, StackedCriterion]] = []

    def gradient(self, scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Saves the losses `[k]`."""
        if not self.parts:
            self.parts = self._choose(scores, targets)
        try:
            results = [part.gradient(scores[lanes], targets[lanes]) for lanes, part in self.parts]
        except Exception:  # of which lane is not known
            everyone = slice(0, len(self.losses))
            self.parts = [(everyone, self.individually(everyone))]
            results = [part.gradient(scores, targets) for _, part in self.parts]
        gradients, losses = zip(*results, strict=True)
        return (gradients[0], losses[0]) if len(results) == 1 else (torch.cat(gradients), torch.cat(losses))

    def _choose(self, scores: Tensor, targets: Tensor) -> list[tuple[slice, StackedCriterion]]:
        everyone = slice(0, len(self.losses))
        batched, reason = self._batched(everyone, scores, targets)
        if batched is not None:
            return [(everyone, batched)]
        parts: list[tuple[slice, StackedCriterion]] = []
        for lanes in equal_neighbours([numbers(loss) for loss in self.losses]):
            part = None
            if lanes.stop - lanes.start > 1:
                part, reason = self._batched(lanes, scores, targets)
            parts.append((lanes, part or self.individually(lanes)))
        alone = sum(lanes.stop - lanes.start for lanes, part in parts if not isinstance(part, BatchedLosses))
        if alone:
            log.info(
                "The %s of %d of %d lanes is computed lane by lane, which takes longer: %s",
                *(self.losses[0].name, alone, len(self.losses), reason),
            )
        return parts

    def _batched(
        self, lanes: slice, scores: Tensor, targets: Tensor
    ) -> tuple[BatchedLosses | None, str | None]:
        """The lanes' losses in one form, or why there is none."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # of operations that vmap does lane by lane
                batched = BatchedLosses(self.losses[lanes], scores.device)
                reason = self._difference(lanes, batched, scores[lanes], targets[lanes])
        except Exception as error:
            reason = class_and_line(error)[:REASON]
        return (None, reason) if reason else (batched, None)

    def _difference(
        self, lanes: slice, batched: BatchedLosses, scores: Tensor, targets: Tensor
    ) -> str | None:
        """How the batched form differs from the lanes' losses on random scores; None within rounding."""
        random_scores, random_targets = _examples(self.losses[lanes][0], scores, targets)
        gradients, losses = batched.gradient(random_scores, random_targets)
        count = lanes.stop - lanes.start
        for lane in range(0, count, -(-count // COMPARED)):
            one, position = slice(lane, lane + 1), lanes.start + lane
            individual = self.individually(slice(position, position + 1))
            gradient, loss = individual.gradient(random_scores[one], random_targets[one])
            apart = max(_apart(gradients[one], gradient), _apart(losses[one], loss))
            if not apart <= CLOSE:
                return f"batched, it differs by {apart:.1e} of its value"
        return None


def _apart(one: Tensor, other: Tensor) -> float:
    norm = other.norm().clamp(min=torch.finfo(other.dtype).tiny)
    return float((one - other).norm() / norm)


def _examples(loss: Loss, scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Random scores `[k, B, C]` and targets, of the kind of those of a mini-batch."""
    generator = torch.Generator().manual_seed(0)
    rows = min(ROWS, scores.shape[1])
    shape = (len(scores), rows, *scores.shape[2:])
    random_scores = 2 * torch.randn(shape, generator=generator)
    if not targets.is_floating_point():
        random_targets = torch.randint(scores.shape[2], shape[:2], generator=generator)
        if loss.ignores and loss.ignore_index is not None:
            random_targets[:, 1::3] = loss.ignore_index
    else:
        random_targets = torch.randn((*shape[:2], *targets.shape[2:]), generator=generator)
        if loss.task == "classification":
            random_targets = random_targets.softmax(-1)
    like: Any = {"device": scores.device, "dtype": scores.dtype}
    return random_scores.to(**like), random_targets.to(targets.device, targets.dtype)
