"""Layers in a row, as in a sequential network or in a part of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor, nn

from abreast.stacking.layers.layer import (
    DEVICE_FORMS,
    STACKED_LAYERS,
    LayerContext,
    UnsupportedLayerError,
)


class Layer(Protocol):
    """What a chain needs of a layer; see `StackedLayer`."""

    def forward(self, x: Tensor) -> Tensor: ...
    def backward(self, grad: Tensor) -> Tensor: ...


class Chain:
    """The stacked forms of layers, each of which takes the output of the one before.

    Args:
        named_layers: The first lane's layers and their names, which begin those of their parameters.
        context: As for a single layer that computes all of them.

    Attributes:
        layers: The stacked layers.
        first_trained: Position of the first layer with parameters; the number of layers if there is none.
        out_shape: The shape of one example of the output.

    Raises:
        UnsupportedLayerError: A layer has no batched form that is bitwise exact.
    """

    def __init__(self, named_layers: Sequence[tuple[str, nn.Module]], context: LayerContext) -> None:
        modules = [layer for _, layer in named_layers]
        escapes = _escaping(modules, context.output_escapes)
        self.layers: list[Layer] = []
        self.first_trained = len(modules)
        self.out_shape = context.in_shape
        input_is_kept = context.input_is_kept
        for position, (name, layer) in enumerate(named_layers):
            prefix = f"{name}."
            inner = LayerContext(
                parameters={key: context.parameters[prefix + key] for key, _ in layer.named_parameters()},
                buffers={key: context.buffers[prefix + key] for key, _ in layer.named_buffers()},
                in_shape=self.out_shape,
                generators=context.generators,
                next_layer=modules[position + 1] if position + 1 < len(modules) else context.next_layer,
                needs_input_grad=context.needs_input_grad or position > self.first_trained,
                input_is_kept=input_is_kept,
                output_escapes=escapes[position],
                on_device=context.on_device,
            )
            kind = STACKED_LAYERS[type(layer)]
            if kind.parameters_used is not None and not inner.parameters.keys() <= kind.parameters_used:
                raise UnsupportedLayerError(f"layer {name} has parameters that {type(layer).__name__} lacks")
            stacked = (DEVICE_FORMS.get(kind, kind) if context.on_device else kind)(layer, inner)
            self.layers.append(stacked)
            self.out_shape = stacked.out_shape
            if inner.parameters:
                self.first_trained = min(self.first_trained, position)
            input_is_kept = kind.keeps_output or (kind.may_alias_input and input_is_kept)
        self.first_needed = 0 if context.needs_input_grad else self.first_trained

    def forward(self, x: Tensor) -> Tensor:
        """`[K, B, *in_shape]` to `[K, B, *out_shape]`."""
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, grad: Tensor) -> Tensor:
        """The gradient of the input, where it is needed, given that of the output, which is overwritten."""
        for layer in reversed(self.layers[self.first_needed :]):
            grad = layer.backward(grad)
        return grad


def flattened(net: nn.Module, prefix: str = "") -> list[tuple[str, nn.Module]]:
    """The layers of a sequential network with their names in it, those of nested ones in their place.

    Raises:
        UnsupportedLayerError: The network is not sequential, or a layer is not registered.
    """
    if not _is_sequential(net):
        raise UnsupportedLayerError(f"{type(net).__name__} is not an nn.Sequential, or has its own forward")
    layers: list[tuple[str, nn.Module]] = []
    for key, layer in net._modules.items():  # `named_children` leaves repeated layers out
        name = f"{prefix}{key}"
        if layer is not None and _is_sequential(layer):
            layers += flattened(layer, f"{name}.")
        elif layer is None or type(layer) not in STACKED_LAYERS or not _has_forward(layer, type(layer)):
            raise UnsupportedLayerError(f"layer {name}, {type(layer).__name__}, is not registered")
        else:
            layers.append((name, layer))
    return layers


def _is_sequential(module: nn.Module) -> bool:
    return (
        isinstance(module, nn.Sequential)
        and type(module).__iter__ is nn.Sequential.__iter__
        and _has_forward(module, nn.Sequential)
    )


def _has_forward(module: nn.Module, kind: type[nn.Module]) -> bool:
    """Whether calling the module does what calling a plain `kind` does."""
    return (
        type(module).forward is kind.forward
        and type(module).__call__ is nn.Module.__call__
        and type(module)._call_impl is nn.Module._call_impl
        and "forward" not in vars(module)
        and module._compiled_call_impl is None
    )


def _escaping(modules: Sequence[nn.Module], output_escapes: bool) -> list[bool]:
    """Whether each layer's output may be the network's: if all after it may return their input's memory."""
    escapes = [output_escapes]
    for module in reversed(modules[1:]):
        escapes.append(escapes[-1] and STACKED_LAYERS[type(module)].may_alias_input)
    return escapes[::-1]
