"""What a layer of all lanes is, and the table of the layers that have one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn


class UnsupportedLayerError(Exception):
    """A network or layer without a batched form that is bitwise exact; the message says why."""


@dataclass(frozen=True)
class LayerContext:
    """What a stacked layer is given, and what surrounds it in the network.

    Attributes:
        parameters: The layer's parameters by name, stacked `[K, *shape]`; their gradients belong in `.grad`.
        buffers: The layer's buffers by name, stacked `[K, *shape]`.
        in_shape: The shape of one example of the layer's input.
        generators: The lanes' random generators.
        next_layer: The layer that takes the output; None for the last one.
        needs_input_grad: False where nothing before the layer has parameters.
        input_is_kept: Whether an earlier layer still reads the input in its backward pass.
        output_escapes: Whether the output may be the network's, which is kept after the step.
        on_device: Whether another device than the CPU computes it.
    """

    parameters: Mapping[str, nn.Parameter]
    buffers: Mapping[str, Tensor]
    in_shape: tuple[int, ...]
    generators: Sequence[torch.Generator]
    next_layer: nn.Module | None
    needs_input_grad: bool
    input_is_kept: bool
    output_escapes: bool
    on_device: bool = False


class StackedLayer(ABC):
    """One layer of all K lanes: `[K, B, *in_shape]` to `[K, B, *out_shape]`, and gradients back.

    It must give every lane the very bits that `torch.nn`'s own layer gives on one CPU thread, or raise
    UnsupportedLayerError when it is made.

    Attributes:
        keeps_output: `backward` reads the output, so the next layer must not change it in place.
        may_alias_input: The output may share the input's memory.
        parameters_used: The parameters that the layer may have: others would get gradients of zero, not None.
            None for a layer of layers, each of which looks at its parameters.
        out_shape: The shape of one example of the output.
    """

    keeps_output: ClassVar[bool] = True
    may_alias_input: ClassVar[bool] = False
    parameters_used: ClassVar[frozenset[str] | None] = frozenset({"weight", "bias"})

    def __init__(self, layer: nn.Module, context: LayerContext) -> None:
        """Take the first lane's layer for the settings, which all lanes have in common.

        Raises:
            UnsupportedLayerError: The layer's settings or input have no batched form.
        """
        self.out_shape = context.in_shape

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Return the output `[K, B, *out_shape]`, and keep what `backward` needs."""

    @abstractmethod
    def backward(self, grad: Tensor) -> Tensor:
        """Return the gradient of the input, given that of the output, which may be overwritten.

        The parameters' gradients are written into `.grad`. What a layer with `needs_input_grad=False`
        returns is not used.
        """


STACKED_LAYERS: dict[type[nn.Module], type[StackedLayer]] = {}
DEVICE_FORMS: dict[type[StackedLayer], type[StackedLayer]] = {}  # which take their places not on the CPU


def register(*layers: type[nn.Module]) -> Callable[[type[StackedLayer]], type[StackedLayer]]:
    """Register the stacked form of layers, by their exact classes: `register(nn.Linear)(StackedLinear)`.

    Subclasses are registered separately: they may compute something else.
    """

    def add(stacked: type[StackedLayer]) -> type[StackedLayer]:
        STACKED_LAYERS.update(dict.fromkeys(layers, stacked))
        return stacked

    return add
