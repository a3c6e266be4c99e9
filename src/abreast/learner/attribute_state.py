"""The state that a network keeps in attributes, such as a counter, a generator or the last hidden state.

torch saves parameters and buffers alone. A custom network may keep more in plain attributes; what of them has
changed since the network was built is saved with its weights.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from abreast.errors import RunError
from abreast.learner.attribute_values import from_plain, plain_attributes

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
    """The attributes that can be saved, but not what is a part of a parameter or a buffer."""
    tensors = [tensor for tensor in (*net.parameters(), *net.buffers()) if not is_lazy(tensor)]
    memory = {tensor.untyped_storage().data_ptr() for tensor in tensors if tensor.layout == torch.strided}
    plain: dict[str, Any] = {}
    for prefix, module in net.named_modules():
        kept = {
            key: value
            for key, value in vars(module).items()
            if key not in OF_TRAINING and not _is_part(value, memory)
        }
        plain |= {f"{prefix}.{key}": value for key, value in plain_attributes(kept).items()}
    return plain


def _is_part(value: Any, memory: set[int]) -> bool:
    if isinstance(value, (list, tuple)):
        return any(_is_part(item, memory) for item in value)
    if not isinstance(value, Tensor) or value.layout != torch.strided or not value.numel():
        return False
    return value.untyped_storage().data_ptr() in memory


def _same(value: Any, other: Any) -> bool:
    if type(value) is not type(other):
        return False
    if isinstance(value, Tensor):
        return value.dtype == other.dtype and value.device == other.device and torch.equal(value, other)
    if isinstance(value, (list, tuple)):
        return len(value) == len(other) and all(map(_same, value, other))
    if isinstance(value, dict):
        return value.keys() == other.keys() and all(_same(value[key], other[key]) for key in value)
    return bool(value == other or (value != value and other != other))
