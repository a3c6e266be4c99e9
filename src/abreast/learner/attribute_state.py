"""The state that a network keeps in attributes, such as a counter, a generator or the last hidden state.

torch saves parameters and buffers alone. A custom network may keep more in plain attributes; what of them has
changed since the network was built is saved with its weights.
"""

from __future__ import annotations

import copy
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from abreast.errors import RunError
from abreast.learner.attribute_values import MOST_DEPTH, from_plain, is_dense, plain_attributes

ATTRIBUTES = "attributes"  # their key in a learner's state
OF_TRAINING = vars(LightningModule()).keys()  # the attributes that torch and Lightning keep


class AttributeState:
    """The attributes of a network's modules that have changed since this was made.

    Args:
        net: The network, as it was built.
    """

    def __init__(self, net: nn.Module) -> None:
        self._first = _read(net)

    def changed(self, net: nn.Module) -> dict[str, Any]:
        """The changed attributes by module and name, as plain data and tensors."""
        return {name: value for name, value in _read(net).items() if not self._is_first(name, value)}

    def _is_first(self, name: str, value: Any) -> bool:
        return name in self._first and _same(self._first[name], value)

    def restore(self, net: nn.Module, changed: Mapping[str, Any]) -> None:
        """Set the attributes to what they were when `changed` was taken.

        Raises:
            RunError: They do not fit the network.
        """
        modules, now = dict(net.named_modules()), _read(net)
        wanted = {**self._first, **changed}
        for name in now.keys() - wanted.keys():
            path, _, key = name.rpartition(".")
            delattr(modules[path], key)
        for name, value in wanted.items():
            if name not in now or not _same(now[name], value):
                path, _, key = name.rpartition(".")
                try:
                    _set(modules[path], key, value)
                except Exception as error:
                    raise RunError(
                        f"the checkpoint's attribute {name.lstrip('.')} does not fit the network "
                        f"({type(error).__name__})"
                    ) from error


def copied_network(net: nn.Module) -> nn.Module:
    """A deep copy of the network, with its generators, which `copy.deepcopy` refuses.

    Raises:
        Exception: Something else in it cannot be copied.
    """
    memo: dict[int, Any] = {}
    for module in net.modules():
        for value in _generators(vars(module), 0):
            memo[id(value)] = value.clone_state()
    return copy.deepcopy(net, memo)


@contextmanager
def buffers_kept(net: nn.Module) -> Iterator[None]:
    """Afterwards, the network's buffers are what they were: a copy may share methods with its network."""
    kept = [
        (module, key, buffer, buffer.clone())
        for module in net.modules()
        for key, buffer in module.named_buffers(recurse=False)
        if is_dense(buffer)
    ]
    try:
        yield
    finally:
        for module, key, buffer, value in kept:
            if getattr(module, key) is not buffer:
                setattr(module, key, buffer)
            if not torch.equal(buffer, value):
                buffer.data.copy_(value)


def _generators(value: Any, depth: int) -> Iterator[torch.Generator]:
    if isinstance(value, torch.Generator):
        yield value
    elif depth < 3 and isinstance(value, (dict, list, tuple)):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _generators(part, depth + 1)


def _set(module: nn.Module, key: str, value: Any) -> None:
    if key in OF_TRAINING | {*module._parameters, *module._buffers, *module._modules}:
        raise KeyError(key)
    now = vars(module).get(key)
    restored = from_plain(value, now)
    if restored is not now:
        setattr(module, key, restored)


def _read(net: nn.Module) -> dict[str, Any]:
    """The attributes that can be saved.

    Left out is what is a part of a parameter, a buffer or another attribute, with which it would change.
    """
    kept = {
        f"{prefix}.{key}": value
        for prefix, module in net.named_modules()
        for key, value in vars(module).items()
        if key not in OF_TRAINING and "." not in key
    }
    tensors = [tensor for tensor in (*net.parameters(), *net.buffers()) if not is_lazy(tensor)]
    saved = {*chain(*map(_memory, tensors))}
    memory = {name: {*_memory(value)} for name, value in kept.items()}
    shared = saved | {address for address, count in Counter(chain(*memory.values())).items() if count > 1}
    return plain_attributes({name: value for name, value in kept.items() if shared.isdisjoint(memory[name])})


def _memory(value: Any, depth: int = 0) -> Iterator[int]:
    """Where the tensors and arrays of a value are."""
    if type(value) in (list, tuple, deque, dict) and depth <= MOST_DEPTH:
        for item in value.values() if isinstance(value, dict) else value:
            yield from _memory(item, depth + 1)
    elif isinstance(value, np.ndarray) and value.size:
        yield value.__array_interface__["data"][0]
    elif type(value) in (Tensor, nn.Parameter) and is_dense(value) and value.numel():
        yield value.untyped_storage().data_ptr()


def _same(value: Any, other: Any) -> bool:
    if type(value) is not type(other):
        return False
    if isinstance(value, Tensor):
        is_alike = value.dtype == other.dtype and value.device == other.device and value.shape == other.shape
        return is_alike and torch.equal(_bits(value), _bits(other))
    if isinstance(value, (list, tuple)):
        return len(value) == len(other) and all(map(_same, value, other))
    if isinstance(value, dict):
        return value.keys() == other.keys() and all(_same(value[key], other[key]) for key in value)
    return bool(value == other or (value != value and other != other))


def _bits(tensor: Tensor) -> Tensor:
    return tensor.contiguous().reshape(-1).view(torch.uint8)
