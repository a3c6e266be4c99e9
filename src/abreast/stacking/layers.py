"""The layers of a stack of MLPs, forward and backward, each writing its gradients where they belong.

Every operation gives each lane the very bits that its own layer gives (one intra-op thread, CPU). Where the
batched form rounds otherwise, the lanes are gone through one by one; the conditions were found by comparing
both forms over shapes from 1 to 784, and tests/stacking holds them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from abreast.stacking.parameters import BufferPool, aligned, room

ROWS = 16  # float32 values in 64 bytes: lanes of a multiple of this many rows begin aligned
TINY = 400  # products with fewer multiplications take another way in torch (bmm's own loop)


class Layer(Protocol):
    """A layer of all lanes: `[K, B, in]` to `[K, B, out]`, and gradients back, without autograd."""

    def forward(self, x: Tensor) -> Tensor:
        """The layer's output; keeps what `backward` needs."""

    def backward(self, grad: Tensor) -> Tensor:
        """The gradient of the inputs from that of the output; those of parameters go where they belong."""


class Flatten:
    """`[K, B, *shape]` to `[K, B, values]`; the first layer: nothing before it wants a gradient."""

    def forward(self, x: Tensor) -> Tensor:
        """A view."""
        return x.flatten(2)

    def backward(self, grad: Tensor) -> Tensor:
        """Nobody asks."""
        return grad


class Linear:
    """`x @ weight.T + bias` in every lane, with weight `[K, out, in]` and bias `[K, out]`.

    The layer `behind` it takes the output; None: these are the scores.
    """

    def __init__(
        self, weight: Tensor, bias: Tensor | None, behind: nn.Module | None, *, is_first: bool
    ) -> None:
        self.weight, self.bias = weight.detach(), None if bias is None else bias.detach()
        assert weight.grad is not None
        self.grad, self.bias_grad = weight.grad, None if bias is None else bias.grad
        self.is_first = is_first
        self.outs = BufferPool(most=0 if behind is None else 2)  # scores are kept for the metrics
        self.rows_first = isinstance(behind, nn.BatchNorm1d) and self.weight.shape[1] % ROWS == 0
        self.towards = BufferPool(most=2)
        self._dense = BufferPool(most=2)
        self._x: Tensor

    def dense(self, grad: Tensor) -> Tensor:
        """The lanes one after the other: sums over the rows would round otherwise."""
        return grad if grad[0].is_contiguous() else self._dense(*grad.shape, like=grad).copy_(grad)

    def forward(self, x: Tensor) -> Tensor:
        """Scores or hidden values."""
        if x.stride(0) % ROWS:
            x = aligned(x)
        self._x = x
        lanes, rows, _ = x.shape
        out = self.outs(lanes, rows, self.weight.shape[1], like=x, rows_first=self.rows_first)
        turned = self.weight.transpose(1, 2)
        if by_lane(self.weight, rows):
            for k in range(lanes):
                if self.bias is None:
                    torch.mm(x[k], turned[k], out=out[k])
                else:
                    torch.addmm(self.bias[k], x[k], turned[k], out=out[k])
        elif self.bias is None:
            torch.bmm(x, turned, out=out)
        else:
            torch.baddbmm(self.bias[:, None], x, turned, out=out)
        return out

    def backward(self, grad: Tensor) -> Tensor:
        """The inputs' gradient, but in the first layer, where nobody asks."""
        x, weight = self._x, self.weight
        del self._x
        grad = aligned(grad)
        if self.bias_grad is not None:
            torch.sum(self.dense(grad), 1, out=self.bias_grad)
        alone = by_lane(weight, grad.shape[1])
        lanes = range(len(grad))
        if alone:
            for k in lanes:
                torch.mm(grad[k].t(), x[k], out=self.grad[k])
        else:
            torch.bmm(grad.transpose(1, 2), x, out=self.grad)
        if self.is_first:
            return grad
        towards = self.towards(*x.shape, like=x, rows_first=x.stride(1) > x.stride(0))
        if alone:
            for k in lanes:
                torch.mm(grad[k], weight[k], out=towards[k])
        else:
            torch.bmm(grad, weight, out=towards)
        return towards


def by_lane(weight: Tensor, rows: int) -> bool:
    """Whether a batched product would round otherwise than a lane's own."""
    _, outputs, inputs = weight.shape
    return rows * inputs * outputs < TINY or outputs == 1 or inputs == 1


class ReLU:
    """In place: the layer before has no use for its output, nor the one behind for its gradient."""

    def __init__(self) -> None:
        self._out: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """What is above zero."""
        self._out = x.relu_()
        return self._out

    def backward(self, grad: Tensor) -> Tensor:
        """What was above zero."""
        return torch.ops.aten.threshold_backward.grad_input(grad, self._out, 0, grad_input=grad)  # type: ignore[no-any-return]


class Dropout:
    """Each lane draws from its own of the `streams`."""

    def __init__(self, p: float, streams: Sequence[torch.Generator]) -> None:
        self.p = p
        self.streams = streams
        self._noise: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """Some values zero, the others larger."""
        noise = room(*x.shape, like=x)
        for lane, stream in zip(noise, self.streams, strict=True):
            lane.bernoulli_(1 - self.p, generator=stream)
        self._noise = noise.div_(1 - self.p)
        return x * self._noise

    def backward(self, grad: Tensor) -> Tensor:
        """The same values zero."""
        return grad.mul_(self._noise)


class BatchNorm:
    """Each lane's own, by the kernels of `torch.nn.functional.batch_norm`."""

    def __init__(
        self, layer: nn.BatchNorm1d, parameters: dict[str, nn.Parameter], buffers: dict[str, Tensor]
    ) -> None:
        weight, bias = parameters["weight"], parameters["bias"]
        assert weight.grad is not None
        assert bias.grad is not None
        self.side_by_side = weight.shape[1] % ROWS == 0  # lanes as the features of one batch
        shape = (1, -1) if self.side_by_side else tuple(weight.shape)
        means, variances = buffers["running_mean"], buffers["running_var"]
        # Of each batch: weight, bias, running mean and variance, and where the gradients belong.
        each = (weight.detach(), bias.detach(), means, variances, weight.grad, bias.grad)
        self.batches = [*zip(*(t.view(shape) for t in each), strict=True)]
        self.tracked = buffers["num_batches_tracked"]
        assert layer.momentum is not None
        self.momentum, self.eps = layer.momentum, layer.eps
        self._kept: list[tuple[Tensor, ...]]  # input, mean and inverse deviation of each batch

    def _apart(self, x: Tensor) -> Sequence[Tensor]:
        return (x.transpose(0, 1).flatten(1),) if self.side_by_side else x.unbind()

    def _together(self, found: list[Tensor], lanes: int) -> Tensor:
        if self.side_by_side:
            return found[0].view(len(found[0]), lanes, -1).transpose(0, 1)
        return torch.stack(found)

    def forward(self, x: Tensor) -> Tensor:
        """Normalised over its lane's rows; the running statistics move on."""
        self.tracked.add_(1)
        self._kept, found = [], []
        for own, (weight, bias, mean, variance, *_) in zip(self._apart(x), self.batches, strict=True):
            out, *saved = torch.native_batch_norm(
                own, weight, bias, mean, variance, True, self.momentum, self.eps
            )
            self._kept.append((own, *saved))
            found.append(out)
        return self._together(found, len(x))

    def backward(self, grad: Tensor) -> Tensor:
        """The inputs' gradient; those of weight and bias go where they belong."""
        kept, self._kept = self._kept, []
        found = []
        for own, (x, *saved), batch in zip(self._apart(grad), kept, self.batches, strict=True):
            weight, _, mean, variance, weight_grad, bias_grad = batch
            towards, of_weight, of_bias = torch.ops.aten.native_batch_norm_backward(
                own, x, weight, mean, variance, *saved, True, self.eps, [True, True, True]
            )
            weight_grad.copy_(of_weight)
            bias_grad.copy_(of_bias)
            found.append(towards)
        return self._together(found, len(grad))


class ByAutograd:
    """Any function of the inputs and of some parameters, whose gradients autograd makes."""

    def __init__(self, function: Callable[[Tensor], Tensor], parameters: Sequence[nn.Parameter] = ()) -> None:
        self.function = function
        self.parameters = list(parameters)
        self._kept: tuple[Tensor, Tensor]

    def forward(self, x: Tensor) -> Tensor:
        """What the function gives."""
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            out = self.function(x)
        self._kept = x, out
        return out.detach()

    def backward(self, grad: Tensor) -> Tensor:
        """The inputs' gradient."""
        x, out = self._kept
        del self._kept
        towards, *found = torch.autograd.grad(out, [x, *self.parameters], grad)
        for parameter, gradient in zip(self.parameters, found, strict=True):
            assert parameter.grad is not None
            parameter.grad.copy_(gradient)
        return towards
