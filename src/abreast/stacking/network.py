"""A stack of MLPs, forward and backward by batched matrix products.

Every operation gives each lane the very bits that its own network gives (one intra-op thread, CPU). Where the
batched form rounds otherwise, the lanes are gone through one by one; the conditions were found by comparing
both forms over shapes from 1 to 784, and tests/stacking holds them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from abreast.stacking.state import State

ROWS = 16  # float32 values in 64 bytes: lanes of a multiple of this many rows begin aligned
VECTOR = 64  # a multiple of the values that any CPU handles at once, unrolled
TINY = 400  # products with fewer multiplications take another way in torch (bmm's own loop)
EXACT = (nn.ReLU, nn.LeakyReLU, nn.Identity)  # one correctly rounded operation a value


class LaneLinear(torch.autograd.Function):
    """`x @ weight.T + bias` in every lane: `[K, B, in]` to `[K, B, out]`.

    The backward pass writes the parameters' gradients where they belong, instead of returning them.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: nn.Parameter, bias: nn.Parameter | None
    ) -> Tensor:  # [K, B, in], [K, out, in], [K, out]
        ctx.save_for_backward(x)
        ctx.weight, ctx.bias = weight, bias
        lanes, rows, _ = x.shape
        ctx.alone = by_lane(weight, rows)
        turned = weight.transpose(1, 2)
        if not ctx.alone:
            return torch.bmm(x, turned) if bias is None else torch.baddbmm(bias[:, None], x, turned)
        out = x.new_empty(lanes, rows, weight.shape[1])
        for k in range(lanes):
            if bias is None:
                torch.mm(x[k], turned[k], out=out[k])
            else:
                torch.addmm(bias[k], x[k], turned[k], out=out[k])
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, None, None]:
        (x,) = ctx.saved_tensors
        weight, bias = ctx.weight, ctx.bias
        grad = grad.contiguous()
        towards: Tensor | None = None
        if ctx.alone:
            for k in range(len(grad)):
                torch.mm(grad[k].t(), x[k], out=weight.grad[k])
            if ctx.needs_input_grad[0]:
                towards = torch.empty_like(x)
                for k in range(len(grad)):
                    torch.mm(grad[k], weight[k], out=towards[k])
        else:
            torch.bmm(grad.transpose(1, 2), x, out=weight.grad)
            if ctx.needs_input_grad[0]:
                towards = torch.bmm(grad, weight)
        if bias is not None:
            torch.sum(grad, 1, out=bias.grad)
        return towards, None, None


def by_lane(weight: Tensor, rows: int) -> bool:
    """Whether a batched product would round otherwise than a lane's own."""
    _, outputs, inputs = weight.shape
    return rows * inputs * outputs < TINY or outputs == 1


class StackedMLP:
    """The lanes' `abreast.models.MLP`s as one function of `[K, B, *shape]`, in training.

    `streams` are the lanes' random streams for dropout.
    """

    def __init__(self, nets: Sequence[nn.Module], state: State, streams: Sequence[torch.Generator]) -> None:
        self.state = state
        self.layers = list(nets[0].named_children())
        self.streams = streams
        self.by_autograd = [  # parameters whose gradients autograd makes; LaneLinear writes the others'
            f"{name}.{key}"
            for name, layer in self.layers
            if isinstance(layer, (nn.BatchNorm1d, nn.LayerNorm))
            for key, _ in layer.named_parameters()
        ]

    @staticmethod
    def fits(rows: int) -> bool:
        """Whether mini-batches of so many rows can be trained by batched operations."""
        return rows % ROWS == 0

    def __call__(self, x: Tensor) -> Tensor:
        """Scores `[K, B, out]` of normalised inputs `[K, B, *shape]`."""
        for name, layer in self.layers:
            x = self._apply(name, layer, x)
        return x

    def _apply(self, name: str, layer: nn.Module, x: Tensor) -> Tensor:
        if isinstance(layer, nn.Flatten):
            return x.flatten(2)
        if isinstance(layer, nn.Linear):
            parameters = self.state.parameters
            made: Tensor = LaneLinear.apply(x, parameters[f"{name}.weight"], parameters.get(f"{name}.bias"))
            return made
        if isinstance(layer, nn.BatchNorm1d):
            return self._batch_norm(name, layer, x)
        if isinstance(layer, nn.LayerNorm):
            weights, biases = (self.state.parameters[f"{name}.{key}"] for key in ("weight", "bias"))
            shape = tuple(layer.normalized_shape)
            each = zip(x.unbind(), weights.unbind(), biases.unbind(), strict=True)
            return torch.stack([F.layer_norm(h, shape, w, b, layer.eps) for h, w, b in each])
        if isinstance(layer, nn.Dropout):
            return self._dropout(layer.p, x)
        if isinstance(layer, EXACT) or x[0].numel() % VECTOR == 0:
            batched: Tensor = layer(x)
            return batched
        return torch.stack([layer(h) for h in x.unbind()])

    def _batch_norm(self, name: str, layer: nn.BatchNorm1d, x: Tensor) -> Tensor:
        weights, biases = (self.state.parameters[f"{name}.{key}"] for key in ("weight", "bias"))
        means, variances = (self.state.buffers[f"{name}.{key}"] for key in ("running_mean", "running_var"))
        self.state.buffers[f"{name}.num_batches_tracked"].add_(1)
        lanes, rows, features = x.shape
        how: Any = (True, layer.momentum, layer.eps)
        if features % ROWS == 0:  # lanes side by side as the features of one batch
            flat = x.transpose(0, 1).reshape(rows, lanes * features)
            m, v, w, b = (t.view(-1) for t in (means, variances, weights, biases))
            return F.batch_norm(flat, m, v, w, b, *how).view(rows, lanes, features).transpose(0, 1)
        each = zip(x.unbind(), means, variances, weights.unbind(), biases.unbind(), strict=True)
        return torch.stack([F.batch_norm(h, m, v, w, b, *how) for h, m, v, w, b in each])

    def _dropout(self, p: float, x: Tensor) -> Tensor:
        noise = torch.empty_like(x, memory_format=torch.contiguous_format)
        for lane, stream in zip(noise, self.streams, strict=True):
            lane.bernoulli_(1 - p, generator=stream)
        return x * noise.div_(1 - p)
