"""The three products of a convolution in every lane: lane by lane, or as one grouped convolution."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

# Multiplications of a lane's mini-batch up to which one grouped convolution may take less time than one
# convolution a lane; with more, the work outweighs the calls.
GROUPED_UP_TO = 5e6
TIMINGS = 3  # of each form; the shortest counts


@dataclass(frozen=True)
class Convolution:
    """The settings of a convolution, and its products for one batch `[B, C, *size]`."""

    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int

    def output(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The convolution, by the kernels of `torch.nn.functional.conv2d`."""
        settings = (self.stride, self.padding, self.dilation, False, [0] * len(self.stride), self.groups)
        return torch.ops.aten.convolution(x, weight, bias, *settings)  # type: ignore[no-any-return]

    def gradients(
        self, grad: Tensor, x: Tensor, weight: Tensor, of_input: bool, of_weight: bool, of_bias: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The gradients of input, weight and bias that are asked for."""
        settings = (self.stride, self.padding, self.dilation, False, [0] * len(self.stride), self.groups)
        return torch.ops.aten.convolution_backward(  # type: ignore[no-any-return]
            grad, x, weight, [len(weight)], *settings, [of_input, of_weight, of_bias]
        )


class Form(NamedTuple):
    """Which of a convolution's products are one grouped convolution of all lanes."""

    output: bool
    input_grad: bool
    weight_grad: bool


class Gradients(NamedTuple):
    """Memory for the gradients of all lanes' parameters and inputs; None for those that are not asked for."""

    weight: Tensor
    bias: Tensor | None
    inputs: Tensor | None


class Shape(NamedTuple):
    """What the form depends on: the settings, and `[K, B, C, *size]` and `[K, O, C, *kernel]`."""

    settings: Convolution
    inputs: tuple[int, ...]
    weights: tuple[int, ...]
    has_bias: bool
    needs_input_grad: bool
    threads: int


class Products:
    """The products of all lanes in one form.

    Args:
        settings: The lanes' convolution.
        form: The form.
    """

    def __init__(self, settings: Convolution, form: Form) -> None:
        self.settings, self.form = settings, form

    def output(self, x: Tensor, weight: Tensor, bias: Tensor | None, out: Tensor) -> None:
        """Write the outputs `[K, B, O, *size]` of inputs `[K, B, C, *size]` into `out`."""
        if self.form.output:
            together = self._grouped(len(x)).output(
                side_by_side(x), weight.flatten(0, 1), None if bias is None else bias.flatten()
            )
            out.copy_(apart(together, len(x)))
            return
        for lane, (inputs, kernels) in enumerate(zip(x, weight, strict=True)):
            out[lane] = self.settings.output(inputs, kernels, None if bias is None else bias[lane])

    def gradients(self, grad: Tensor, x: Tensor, weight: Tensor, into: Gradients) -> None:
        """Write the gradients of weights, biases and, where they are asked for, inputs."""
        needs_input, has_bias = into.inputs is not None, into.bias is not None
        if self.form.input_grad or self.form.weight_grad:
            in_group = needs_input and self.form.input_grad, self.form.weight_grad
            input_grad, weight_grad, bias_grad = self._grouped(len(x)).gradients(
                side_by_side(grad),
                side_by_side(x),
                weight.flatten(0, 1),
                *in_group,
                of_bias=has_bias and self.form.weight_grad,
            )
            if into.inputs is not None and self.form.input_grad:
                into.inputs.copy_(apart(input_grad, len(x)))
            if self.form.weight_grad:
                into.weight.copy_(weight_grad.view(into.weight.shape))
                if into.bias is not None:
                    into.bias.copy_(bias_grad.view(into.bias.shape))
        by_lane = needs_input and not self.form.input_grad, not self.form.weight_grad
        if not any(by_lane):
            return
        for lane, (outputs, inputs, kernels) in enumerate(zip(grad, x, weight, strict=True)):
            input_grad, weight_grad, bias_grad = self.settings.gradients(
                outputs, inputs, kernels, *by_lane, of_bias=has_bias and not self.form.weight_grad
            )
            if into.inputs is not None and not self.form.input_grad:
                into.inputs[lane] = input_grad
            if not self.form.weight_grad:
                into.weight[lane] = weight_grad
                if into.bias is not None:
                    into.bias[lane] = bias_grad

    def _grouped(self, lanes: int) -> Convolution:
        one = self.settings
        return Convolution(one.stride, one.padding, one.dilation, lanes * one.groups)


def side_by_side(x: Tensor) -> Tensor:
    """`[K, B, C, *size]` to `[B, K * C, *size]`."""
    return x.transpose(0, 1).flatten(1, 2)


def apart(x: Tensor, lanes: int) -> Tensor:
    """`[B, K * C, *size]` to `[K, B, C, *size]`, a view."""
    return x.view(len(x), lanes, -1, *x.shape[2:]).transpose(0, 1)


@lru_cache(maxsize=256)
def choose_form(shape: Shape) -> Form:
    """Choose the form of each product: one for all lanes where it gives the same bits in less time.

    Which kernels round alike depends on the sizes and on the processor, and so does which are faster. So both
    forms are tried on random values, once for each shape in a process. The order in which a kernel adds up
    does not depend on the values.
    """
    lanes = shape.inputs[0]
    generator = torch.Generator().manual_seed(0)
    x, weight = (torch.randn(*size, generator=generator) for size in (shape.inputs, shape.weights))
    bias = torch.randn(shape.weights[:2], generator=generator) if shape.has_bias else None
    outputs = shape.settings.output(x[0], weight[0], None)
    if lanes == 1 or len(x[0]) * weight[0].numel() * outputs[0, 0].numel() > GROUPED_UP_TO:
        return Form(False, False, False)
    grad = torch.randn(lanes, *outputs.shape, generator=generator)

    def output(form: Form) -> list[Tensor]:
        out = torch.empty_like(grad)
        Products(shape.settings, form).output(x, weight, bias, out)
        return [out]

    def gradients(form: Form) -> list[Tensor]:
        into = Gradients(
            torch.empty_like(weight),
            None if bias is None else torch.empty_like(bias),
            torch.empty_like(x) if shape.needs_input_grad else None,
        )
        Products(shape.settings, form).gradients(grad, x, weight, into)
        return [value for value in (into.inputs, into.weight, into.bias) if value is not None]

    alone, grouped = Form(False, False, False), Form(True, True, True)
    is_same = all(map(torch.equal, output(alone), output(grouped)))
    if is_same and _seconds(output, grouped) < _seconds(output, alone):
        chosen = alone._replace(output=True)
    else:
        chosen = alone
    same = [*map(torch.equal, gradients(alone), gradients(grouped))]
    of_input = shape.needs_input_grad and same.pop(0)
    exact = chosen._replace(input_grad=of_input, weight_grad=all(same))
    return exact if _seconds(gradients, exact) < _seconds(gradients, chosen) else chosen


def _seconds(product: Callable[[Form], list[Tensor]], form: Form) -> float:
    times = []
    for _ in range(TIMINGS):
        began = time.perf_counter()
        product(form)
        times.append(time.perf_counter() - began)
    return min(times)
