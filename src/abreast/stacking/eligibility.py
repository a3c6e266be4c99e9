"""Which networks can be trained in a stack at all; the others are trained individually."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import repeat
from types import BuiltinFunctionType, CodeType, FunctionType, MemberDescriptorType, MethodType, ModuleType

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import type_before_parametrizations

# Pairs of objects that have been compared, by identity; held, or another object could take the place of one.
Seen = dict[tuple[int, int], tuple[object, object]]
OF_ANY_MODULE = vars(nn.Module()).keys() - {"training"}  # the attributes that torch keeps

SIMPLE = (
    *(bool, int, float, complex, str, bytes, set, frozenset, type(None), type, ModuleType, CodeType),
    *(BuiltinFunctionType, np.generic, torch.dtype, torch.device),
)
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
        if isinstance(module, torch.jit.ScriptModule):
            return f"{name} is scripted or traced ({module.original_name})"
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
            if tensor.dtype not in (torch.float32, torch.float64):
                return f"{name} has parameters of {str(tensor.dtype).removeprefix('torch.')} ({key})"
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

    Compared are classes, names and the modules' attributes: numbers, texts, tensors, functions, and objects
    that hold such, as a list of modules whose parameters are not the network's. Networks with attributes
    whose comparison fails differ.
    """
    try:
        return _is_same(net, other, {})
    except Exception:  # the classes of the attributes are anybody's
        return False


def _is_same(net: nn.Module, other: nn.Module, seen: Seen) -> bool:
    modules = [*net.named_modules(remove_duplicate=False)]
    others = [*other.named_modules(remove_duplicate=False)]
    shapes = [[(key, value.shape) for key, value in _tensors(network)] for network in (net, other)]
    if len(modules) != len(others) or shapes[0] != shapes[1]:
        return False
    pairs = [(module, twin) for (_, module), (_, twin) in zip(modules, others, strict=True)]
    seen |= {(id(module), id(twin)): (module, twin) for module, twin in pairs}  # for methods bound to them
    return [name for name, _ in modules] == [name for name, _ in others] and all(
        type_before_parametrizations(module) is type_before_parametrizations(twin)
        and _equal(_settings(module), _settings(twin), seen)
        for module, twin in pairs
    )


def _settings(module: nn.Module) -> dict[str, object]:
    return {key: value for key, value in vars(module).items() if key not in OF_ANY_MODULE}


def _equal(value: object, other: object, seen: Seen) -> bool:
    """Whether two attributes are equal; those that cannot be compared, such as locks, are."""
    if value is other:
        return True
    if isinstance(value, Tensor):
        return isinstance(other, Tensor) and value.dtype == other.dtype and torch.equal(value, other)
    if isinstance(value, np.ndarray):
        return isinstance(other, np.ndarray) and value.dtype == other.dtype and np.array_equal(value, other)
    if type(value) is not type(other):
        return False
    if isinstance(value, SIMPLE):
        return bool(value == other)
    if type(value) is dict and type(other) is dict:  # a network may depend on their order
        return [*value] == [*other] and all(_equal(value[key], other[key], seen) for key in value)
    if type(value) in (list, tuple):
        assert isinstance(value, (list, tuple))
        assert isinstance(other, (list, tuple))
        return len(value) == len(other) and all(map(_equal, value, other, repeat(seen)))
    if (id(value), id(other)) in seen:  # in a circle
        return True
    seen[id(value), id(other)] = (value, other)
    if isinstance(value, nn.Module) and isinstance(other, nn.Module):
        return _is_same(value, other, seen) and _equal(dict(_tensors(value)), dict(_tensors(other)), seen)
    parts = _parts(value)
    if parts is not None:
        return _equal(parts, _parts(other), seen)
    if type(value).__eq__ is not object.__eq__:
        return bool(value == other)
    return not callable(value) and not isinstance(value, Iterator)


def _parts(value: object) -> list[object] | None:
    """What an object consists of: its attributes, and what a copy is made of; None if neither is known."""
    if isinstance(value, MethodType):
        return [value.__func__, value.__self__]
    if isinstance(value, FunctionType):  # made anew for each network
        cells = [cell.cell_contents for cell in value.__closure__ or ()]
        return [value.__code__, value.__defaults__, value.__kwdefaults__, cells, vars(value)]
    parts: list[object] = [vars(value)] if hasattr(value, "__dict__") else []
    for kind in type(value).__mro__:
        slots = [name for name, slot in vars(kind).items() if isinstance(slot, MemberDescriptorType)]
        parts += [{name: getattr(value, name) for name in slots if hasattr(value, name)}] * bool(slots)
    with suppress(Exception):  # locks, files and the like have no copy
        reduced = value.__reduce_ex__(4)
        parts.append([[*part] if isinstance(part, Iterator) else part for part in reduced])
    return parts if any(parts) else None
