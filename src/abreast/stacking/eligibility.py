"""Which networks can be trained in a stack at all; the others are trained individually."""

from __future__ import annotations

from collections.abc import Iterator
from types import BuiltinFunctionType, FunctionType

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import type_before_parametrizations

Settings = dict[str, object]
OF_ANY_MODULE = vars(nn.Module()).keys() - {"training"}  # the attributes that torch keeps

HOOKS = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")
PARAMETER_HOOKS = ("_backward_hooks", "_post_accumulate_grad_hooks")


def why_ineligible(net: nn.Module) -> str | None:
    """Why the network, as it was built, must be trained individually; None if it need not.

    A stack calls the lanes' networks only to evaluate them, and its first lane's for all in vmap. So what
    lives in a single network, such as a hook, would be missed.
    """
    name = type(net).__name__
    for module in net.modules():
        kind = type(module).__name__
        if any(getattr(module, hooks, None) for hooks in HOOKS):
            return f"{name} has hooks ({kind})"
        if not module.training:
            return f"{name} is in evaluation mode ({kind})"
        if module._state_dict_hooks or type(module).get_extra_state is not nn.Module.get_extra_state:
            return f"{name} has its own state_dict ({kind})"
        if type(module).train is not nn.Module.train:
            return f"{name} has its own train() ({kind})"
    memory: set[int] = set()
    for key, tensor in _tensors(net):
        if isinstance(tensor, nn.Parameter):
            if not tensor.requires_grad:
                return f"{name} has frozen parameters ({key})"
            if any(getattr(tensor, hooks, None) for hooks in PARAMETER_HOOKS):
                return f"{name} has hooks ({key})"
        if not tensor.is_contiguous():
            return f"{name} has a tensor that is not contiguous ({key})"
        if tensor.numel() > 0 and tensor.untyped_storage().data_ptr() in memory:
            return f"{name} has tensors that share memory ({key})"
        memory.add(tensor.untyped_storage().data_ptr())
    return None


def _tensors(net: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Each parameter once, however many layers share it; each module's buffers."""
    yield from net.named_parameters()
    for prefix, module in net.named_modules():
        for key, buffer in module._buffers.items():
            if buffer is not None:
                yield f"{prefix}.{key}".lstrip("."), buffer


def is_same_architecture(net: nn.Module, other: nn.Module) -> bool:
    """Whether two networks compute the same function of their inputs, parameters and buffers.

    Compared are classes, names, and the modules' attributes that are numbers, texts or tensors.
    """
    modules = [*net.named_modules(remove_duplicate=False)]
    others = [*other.named_modules(remove_duplicate=False)]
    shapes = [[(key, value.shape) for key, value in _tensors(network)] for network in (net, other)]
    if len(modules) != len(others) or shapes[0] != shapes[1]:
        return False
    return all(
        name == other_name
        and type_before_parametrizations(module) is type_before_parametrizations(other)
        and _equal(_settings(module), _settings(other))
        for (name, module), (other_name, other) in zip(modules, others, strict=True)
    )


def _settings(module: nn.Module) -> Settings:
    return {k: value for k, value in vars(module).items() if k not in OF_ANY_MODULE and _is_plain(value)}


def _is_plain(value: object) -> bool:
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(map(_is_plain, value.values()))
    kinds = (bool, int, float, str, Tensor, np.ndarray, np.generic, FunctionType, BuiltinFunctionType)
    return value is None or isinstance(value, kinds)


def _equal(value: object, other: object) -> bool:
    if isinstance(value, Tensor):
        return isinstance(other, Tensor) and value.dtype == other.dtype and torch.equal(value, other)
    if isinstance(value, np.ndarray):
        return isinstance(other, np.ndarray) and value.dtype == other.dtype and np.array_equal(value, other)
    if isinstance(value, FunctionType) and isinstance(other, FunctionType):  # made anew for each network
        cells = [[cell.cell_contents for cell in f.__closure__ or ()] for f in (value, other)]
        return value.__code__ == other.__code__ and _equal(
            [value.__defaults__, *filter(_is_plain, cells[0])],
            [other.__defaults__, *filter(_is_plain, cells[1])],
        )
    if isinstance(value, dict):
        return (
            isinstance(other, dict)
            and value.keys() == other.keys()
            and all(_equal(value[key], other[key]) for key in value)
        )
    if isinstance(value, (list, tuple)):
        return type(value) is type(other) and len(value) == len(other) and all(map(_equal, value, other))
    return value == other
