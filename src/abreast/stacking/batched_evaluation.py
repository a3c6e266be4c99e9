"""Lanes that are measured on the same examples by operations for all of them, on a device.

There a network's forward pass is mapped over the lanes by `torch.func.vmap`, and so is their loss. What this
gives is compared with what each lane gives by itself, the first time that they are measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import torch
from torch import Tensor, nn

from abreast.losses import Loss
from abreast.stacking.losses.batched import BatchedLosses, numbers, structure
from abreast.stacking.random_numbers import draws, is_custom_module
from abreast.stacking.vmap import parameter_places

MOST_VALUES = 1 << 28  # that the layers of some lanes may make at a time: a GiB
ROWS = 64  # examples that are compared, at most
COMPARED = 12  # lanes, at most
CLOSE = 0.01  # of the norm of a lane's scores, or of its loss: products may be of TF32
Tensors = dict[str, Tensor]


class UnbatchedError(Exception):
    """Lanes that are measured one by one; the message says why."""


class BatchedScores:
    """The scores of networks of one architecture, in evaluation mode.

    Args:
        nets: The lanes' networks, whose weights may be elsewhere each time that they are measured.
    """

    def __init__(self, nets: Sequence[nn.Module]) -> None:
        self.nets = nets
        self.base = nets[0]
        self._places = parameter_places(self.base)
        self._copies: tuple[Tensors, Tensors] | None = None  # parameters and buffers of all lanes
        self._lanes_at_once: int | None = None

    def load(self) -> None:
        """Copy the weights as they are now; if the memory does not hold all of them, none is loaded."""
        self.unload()
        names = [name for name, _ in self.base.named_parameters()]
        parameters = {
            name: torch.stack([net.get_parameter(name).detach() for net in self.nets]) for name in names
        }
        names = [name for name, _ in self.base.named_buffers()]
        buffers = {name: torch.stack([net.get_buffer(name) for net in self.nets]) for name in names}
        self._copies = parameters, buffers

    def unload(self) -> None:
        """Let go of the copies."""
        self._copies = None

    def __call__(self, x: Tensor) -> Tensor:
        """Scores `[K, B, out]` of normalised inputs `[B, *shape]`.

        Raises:
            UnbatchedError: The weights are not loaded.
            Exception: Whatever `vmap`, or a network under it, raises.
        """
        parameters, buffers = self._loaded()
        if self._lanes_at_once is None:
            self._lanes_at_once = max(1, MOST_VALUES // max(1, self._values(x)))

        def call(parameters: Tensors, buffers: Tensors) -> Tensor:
            places = {place: parameters[name] for place, name in self._places.items()}
            scores: Tensor = torch.func.functional_call(self.base, (places, buffers), (x,), tie_weights=False)
            return scores

        batched = torch.func.vmap(call, randomness="error", chunk_size=self._lanes_at_once)
        scores: Tensor = batched(parameters, buffers)
        return scores

    def _loaded(self) -> tuple[Tensors, Tensors]:
        """The parameters and buffers of all lanes."""
        if self._copies is None:
            raise UnbatchedError("the weights are not loaded")
        return self._copies

    def check(self, x: Tensor) -> None:
        """Compare the scores of a few examples with those of each lane.

        Raises:
            UnbatchedError: They differ, or the networks do more than to give scores.
        """
        x = x[:ROWS]
        buffers = self._loaded()[1]
        before = {name: buffer.clone() for name, buffer in buffers.items()}
        results: list[Tensor] = []

        def measure() -> None:
            results.append(self(x.clone()))

        if not is_custom_module(self.base):
            measure()
        elif draws(measure):
            raise UnbatchedError("the network draws random numbers when it evaluates")
        if any(not same(before[name], buffer) for name, buffer in buffers.items()):
            raise UnbatchedError("the network changes its buffers when it evaluates")
        scores, count = results[0], len(self.nets)
        for lane in range(0, count, -(-count // COMPARED)):
            check_close("scores", scores[lane], self.nets[lane](x.clone()))

    def _values(self, x: Tensor) -> int:
        """The values that the layers of one lane make of so many examples."""
        values = 0

        def count(module: nn.Module, _: object, out: object) -> None:
            nonlocal values
            if isinstance(out, Tensor) and not any(True for _ in module.children()):
                values += out.numel()

        hooks = [module.register_forward_hook(count) for module in self.base.modules()]
        try:
            self.base(x[:1].clone())
        finally:
            for hook in hooks:
                hook.remove()
        return values * len(x)


class BatchedLossValues:
    """The mean losses of lanes, without their gradients.

    Args:
        losses: The lanes' losses.
        device: Where the scores are.
    """

    def __init__(self, losses: Sequence[Loss], device: torch.device) -> None:
        self.losses = losses
        self.parts: list[tuple[slice, BatchedLosses]] = []
        if any(map(is_custom_module, losses)):
            raise UnbatchedError("custom losses may draw random numbers")
        start = 0
        for _, group in groupby(losses, structure):
            members = [*group]
            self.parts.append((slice(start, start + len(members)), BatchedLosses(members, device)))
            start += len(members)

    def __call__(self, scores: Tensor, targets: Tensor) -> Tensor:
        """Losses `[K]` of scores `[K, B, C]` and the targets `[B]` of all lanes."""
        losses = [part.evaluate(scores[lanes], targets) for lanes, part in self.parts]
        return losses[0] if len(losses) == 1 else torch.cat(losses)

    def check(self, scores: Tensor, targets: Tensor) -> None:
        """Compare the losses of a few examples with those of each lane.

        If they differ, only lanes of equal numbers are batched.

        Raises:
            UnbatchedError: These differ, too.
        """
        scores, targets = scores[:, :ROWS], targets[:ROWS]
        expected = {
            lane: self.losses[lane](scores[lane], targets)
            for lane in range(0, len(scores), -(-len(scores) // COMPARED))
        }
        try:
            self._compare(scores, targets, expected)
        except Exception:  # where numbers choose another formula
            self._divide(scores.device)
            self._compare(scores, targets, expected)

    def _compare(self, scores: Tensor, targets: Tensor, expected: dict[int, Tensor]) -> None:
        losses = self(scores, targets)
        for lane, loss in expected.items():
            check_close(self.losses[lane].name, losses[lane], loss)

    def _divide(self, device: torch.device) -> None:
        """Batch only neighbours of equal numbers."""
        parts = []
        for lanes, _ in self.parts:
            start = lanes.start
            for _, group in groupby(self.losses[lanes], numbers):
                members = [*group]
                parts.append((slice(start, start + len(members)), BatchedLosses(members, device)))
                start += len(members)
        self.parts = parts


def check_close(what: str, batched: Tensor, alone: Tensor) -> None:
    """Raise UnbatchedError where values differ by more than rounding; not finite ones must be so in both."""
    finite = alone.isfinite()
    is_same = batched.shape == alone.shape and same(batched.isfinite(), finite)
    difference = torch.where(finite, batched - alone, 0).norm() if is_same else None
    if difference is None or difference > CLOSE * torch.where(finite, alone, 0).norm():
        raise UnbatchedError(f"batched, the {what} differ by more than rounding")


def same(one: Tensor, other: Tensor) -> bool:
    """Whether all values are equal; those that are not a number, too."""
    return bool(torch.equal(one.nan_to_num(), other.nan_to_num()))
