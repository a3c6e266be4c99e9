"""A stack of MLPs, forward and backward by batched matrix products.

Every operation gives each lane the very bits that its own network gives (one intra-op thread, CPU). Where the
batched form rounds otherwise, the lanes are gone through one by one; the conditions were found by comparing
both forms over shapes from 1 to 784, and tests/stacking holds them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from abreast.stacking.state import Rooms, State, aligned, room

ROWS = 16  # float32 values in 64 bytes: lanes of a multiple of this many rows begin aligned
VECTOR = 64  # a multiple of the values that any CPU handles at once, unrolled
TINY = 400  # products with fewer multiplications take another way in torch (bmm's own loop)
EXACT = (nn.LeakyReLU, nn.Identity)  # one correctly rounded operation a value


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
        self.outs = Rooms(most=0 if behind is None else 2)  # scores are kept for the metrics
        self.rows_first = isinstance(behind, nn.BatchNorm1d) and self.weight.shape[1] % ROWS == 0
        self.towards = Rooms(most=2)
        self._dense = Rooms(most=2)
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


class StackedMLP:
    """The lanes' `abreast.models.MLP`s as one function, in training.

    `streams` are the lanes' random streams for dropout.
    """

    def __init__(self, nets: Sequence[nn.Module], state: State, streams: Sequence[torch.Generator]) -> None:
        named = [*nets[0].named_children()]
        behind = [layer for _, layer in named[1:]] + [None]
        self.layers: list[Layer] = [
            _layer(named[n], behind[n], state, streams, is_first=n == 1) for n in range(len(named))
        ]

    def train(self) -> None:
        """The lanes' own networks are only evaluated, and may stay as they are."""

    def forward(self, x: Tensor) -> Tensor:
        """Scores `[K, B, out]` of normalised inputs `[K, B, *shape]`."""
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, grad: Tensor) -> None:
        """Fill the state's gradients from that of the scores, which is used up."""
        for layer in reversed(self.layers):
            grad = layer.backward(grad)


def _layer(
    named: tuple[str, nn.Module],
    behind: nn.Module | None,
    state: State,
    streams: Sequence[torch.Generator],
    *,
    is_first: bool,
) -> Layer:
    name, layer = named
    parameters = {key: state.parameters[f"{name}.{key}"] for key, _ in layer.named_parameters()}
    buffers = {key: state.buffers[f"{name}.{key}"] for key, _ in layer.named_buffers()}
    match layer:
        case nn.Flatten():
            return Flatten()
        case nn.Linear():
            return Linear(parameters["weight"], parameters.get("bias"), behind, is_first=is_first)
        case nn.BatchNorm1d():
            return ByAutograd(_batch_norm(layer, parameters, buffers), [*parameters.values()])
        case nn.LayerNorm():
            return ByAutograd(_layer_norm(layer, parameters), [*parameters.values()])
        case nn.ReLU():
            return ReLU()
        case nn.Dropout():
            return Dropout(layer.p, streams)
    return ByAutograd(_each_or_all(layer))


def _each_or_all(layer: nn.Module) -> Callable[[Tensor], Tensor]:
    def apply(x: Tensor) -> Tensor:
        if isinstance(layer, EXACT) or x[0].numel() % VECTOR == 0:
            batched: Tensor = layer(x)
            return batched
        return torch.stack([layer(h) for h in x.unbind()])

    return apply


def _layer_norm(layer: nn.LayerNorm, parameters: dict[str, nn.Parameter]) -> Callable[[Tensor], Tensor]:
    def apply(x: Tensor) -> Tensor:
        each = zip(x.unbind(), parameters["weight"].unbind(), parameters["bias"].unbind(), strict=True)
        shape = tuple(layer.normalized_shape)
        return torch.stack([F.layer_norm(h, shape, w, b, layer.eps) for h, w, b in each])

    return apply


def _batch_norm(
    layer: nn.BatchNorm1d, parameters: dict[str, nn.Parameter], buffers: dict[str, Tensor]
) -> Callable[[Tensor], Tensor]:
    weights, biases = parameters["weight"], parameters["bias"]
    means, variances = buffers["running_mean"], buffers["running_var"]

    def apply(x: Tensor) -> Tensor:
        buffers["num_batches_tracked"].add_(1)
        lanes, rows, features = x.shape
        if features % ROWS == 0:  # lanes side by side as the features of one batch
            flat = x.transpose(0, 1).reshape(rows, lanes * features)
            m, v, w, b = (t.view(-1) for t in (means, variances, weights, biases))
            out = F.batch_norm(flat, m, v, w, b, True, layer.momentum, layer.eps)  # type: ignore[arg-type]
            return out.view(rows, lanes, features).transpose(0, 1)
        each = zip(x.unbind(), means, variances, weights.unbind(), biases.unbind(), strict=True)
        return torch.stack(
            [F.batch_norm(h, m, v, w, b, True, layer.momentum, layer.eps) for h, m, v, w, b in each]  # type: ignore[arg-type]
        )

    return apply
