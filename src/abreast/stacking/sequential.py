"""A stack of sequential networks, forward and backward by batched operations, bitwise equal to each alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from abreast.stacking.layers import STACKED_LAYERS, LayerContext, StackedLayer, UnsupportedLayerError
from abreast.stacking.parameters import StackedState


class Layer(Protocol):
    """What the network needs of a layer; see `StackedLayer`."""

    def forward(self, x: Tensor) -> Tensor: ...
    def backward(self, grad: Tensor) -> Tensor: ...


class StackedSequential:
    """The lanes' `nn.Sequential`s (also nested, also subclasses with its forward) in training.

    Every layer must be one of `STACKED_LAYERS`. Nets must be alike (`abreast.stacking.eligibility`).

    Args:
        nets: One network for each of the K lanes, whose weights are in `state`.
        state: The lanes' parameters, gradients and buffers.
        generators: The lanes' random generators, for dropout.
        in_shape: The shape of one example.

    Raises:
        UnsupportedLayerError: The network has no batched form that is bitwise exact; the message says why.
    """

    def __init__(
        self,
        nets: Sequence[nn.Module],
        state: StackedState,
        generators: Sequence[torch.Generator],
        in_shape: tuple[int, ...],
    ) -> None:
        named_layers = flattened(nets[0])
        _check_tensors(named_layers, state)
        modules = [layer for _, layer in named_layers]
        escapes = _escaping(modules)
        stacked: list[StackedLayer] = []
        is_trained: list[bool] = []
        input_is_kept = False
        for position, (name, layer) in enumerate(named_layers):
            context = LayerContext(
                parameters={key: state.parameters[f"{name}.{key}"] for key, _ in layer.named_parameters()},
                buffers={key: state.buffers[f"{name}.{key}"] for key, _ in layer.named_buffers()},
                in_shape=stacked[-1].out_shape if stacked else in_shape,
                generators=generators,
                next_layer=modules[position + 1] if position + 1 < len(modules) else None,
                needs_input_grad=any(is_trained),
                input_is_kept=input_is_kept,
                output_escapes=escapes[position],
            )
            kind = STACKED_LAYERS[type(layer)]
            if not context.parameters.keys() <= kind.parameters_used:
                raise UnsupportedLayerError(f"layer {name} has parameters that {type(layer).__name__} lacks")
            stacked.append(kind(layer, context))
            is_trained.append(bool(context.parameters))
            input_is_kept = kind.keeps_output or (kind.may_alias_input and input_is_kept)
        self.first_trained = is_trained.index(True)
        self.layers: list[Layer] = [*stacked]

    def train(self) -> None:
        """Do nothing: the lanes' own networks are only evaluated, and may stay in evaluation mode."""

    def forward(self, x: Tensor) -> Tensor:
        """Return scores `[K, B, out]` of normalised inputs `[K, B, *in_shape]`, which may be overwritten."""
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, grad: Tensor) -> None:
        """Fill the state's gradients, given that of the scores, which is overwritten."""
        for layer in reversed(self.layers[self.first_trained :]):
            grad = layer.backward(grad)


def flattened(net: nn.Module, prefix: str = "") -> list[tuple[str, nn.Module]]:
    """The layers of a sequential network with their names in it, those of nested ones in their place.

    Raises:
        UnsupportedLayerError: The network is not sequential, or a layer is not registered.
    """
    if not _is_sequential(net):
        raise UnsupportedLayerError(f"{type(net).__name__} is not an nn.Sequential with its own forward")
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


def _check_tensors(named_layers: Sequence[tuple[str, nn.Module]], state: StackedState) -> None:
    """Raise UnsupportedLayerError unless every parameter and buffer is float32 and belongs to one layer."""
    names = [
        f"{name}.{key}"
        for name, layer in named_layers
        for key, _ in (*layer.named_parameters(), *layer.named_buffers())
    ]
    tensors = {**state.parameters, **state.buffers}
    if not state.parameters or sorted(names) != sorted(tensors):
        raise UnsupportedLayerError("its layers share parameters, or it has parameters outside its layers")
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and tensor.dtype != torch.float32:
            raise UnsupportedLayerError(f"{name} is {tensor.dtype}, not float32")


def _escaping(modules: Sequence[nn.Module]) -> list[bool]:
    """Whether each layer's output may be the network's: if all after it may return their input's memory."""
    escapes = [True]
    for module in reversed(modules[1:]):
        escapes.append(escapes[-1] and STACKED_LAYERS[type(module)].may_alias_input)
    return escapes[::-1]
