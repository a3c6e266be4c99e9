"""Values of attributes as plain data and tensors, which a checkpoint may hold, and back."""

from __future__ import annotations

import random
from collections import deque
from contextlib import suppress
from typing import Any

import numpy as np
import torch
from torch import Tensor

from abreast.learner.checkpoint_file import is_plain

PLAIN = (bool, int, float, complex, str, type(None))
NUMPY_STREAMS = {"MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64"}
MOST_DEPTH = 8  # of lists in each other
LONG = 64  # numbers of a list, from which on they are saved as a tensor


class UnsavableError(Exception):
    """A value that has no form as plain data, such as a function, a layer, or an object of another class."""


def to_plain(value: Any, depth: int = 0) -> Any:
    """The value as numbers, texts, tensors, and `(kind, content)` tuples of these; tensors are copies.

    Raises:
        UnsavableError: It has no such form.
    """
    if type(value) in PLAIN:
        return value
    if depth > MOST_DEPTH:
        raise UnsavableError
    if type(value) is Tensor and is_dense(value):
        return ("tensor", value.detach().clone(), value.device.type)
    if type(value) is np.ndarray or isinstance(value, np.generic):
        return _of_numpy(value)
    if isinstance(value, torch.Generator):
        return ("torch generator", value.get_state(), value.device.type)
    if isinstance(value, np.random.Generator):
        return ("numpy generator", to_plain(value.bit_generator.state, depth + 1))
    if isinstance(value, np.random.RandomState):
        return ("numpy random state", to_plain(value.get_state(legacy=False), depth + 1))
    if type(value) is random.Random:
        return ("python random", value.getstate())
    if type(value) in (list, tuple):
        return (type(value).__name__, _items(value, depth))
    if type(value) is deque:
        return ("deque", _items(value, depth), value.maxlen)
    if type(value) in (set, frozenset):
        return (type(value).__name__, _items(sorted(value, key=repr), depth))
    if type(value) is dict:
        return ("dict", [[to_plain(part, depth + 1) for part in pair] for pair in value.items()])
    raise UnsavableError


def is_dense(value: Tensor) -> bool:
    """Whether a tensor is values that operations can compare."""
    return is_plain(value) and value.dtype != torch.complex32


def _items(values: Any, depth: int) -> Any:
    items = [*values]
    for kind, dtype in ((float, torch.float64), (int, torch.int64)):
        if len(items) > LONG and all(type(item) is kind and abs(item) < 2**63 for item in items):
            return torch.tensor(items, dtype=dtype)
    return [to_plain(item, depth + 1) for item in items]


def _of_numpy(value: np.ndarray[Any, Any] | np.generic) -> Any:
    try:
        return ("ndarray", torch.from_numpy(np.array(value)), isinstance(value, np.generic))
    except (TypeError, ValueError):
        raise UnsavableError from None


def plain_attributes(attributes: dict[str, Any]) -> dict[str, Any]:
    """Those of the attributes that have a form as plain data, in it."""
    plain = {}
    for name, value in attributes.items():
        with suppress(UnsavableError):
            plain[name] = to_plain(value)
    return plain


def from_plain(plain: Any, now: Any = None) -> Any:
    """The value of a plain form.

    Args:
        plain: What `to_plain` gave.
        now: What stands in its place: generators, lists and dicts are changed, not replaced.

    Raises:
        ValueError, TypeError, KeyError: It is not such a form.
    """
    if not isinstance(plain, tuple):
        if type(plain) in PLAIN:
            return plain
        raise TypeError(f"a {type(plain).__name__}")
    kind, content, *more = plain
    if kind == "tensor":
        return content.clone().to(_device(*more))
    if kind == "ndarray":
        array = content.numpy().copy()
        return array[()] if more[0] else array
    if kind in ("list", "tuple", "set", "frozenset", "deque"):
        return _collection(kind, content, more, now)
    if kind == "dict":
        return _dict(content, now)
    return _generator(kind, content, more, now)


def _device(name: str) -> torch.device:
    return torch.device(name if name != "cuda" or torch.cuda.is_available() else "cpu")


def _collection(kind: str, content: Any, more: list[Any], now: Any) -> Any:
    before = [*now] if isinstance(now, (list, tuple, deque)) else []
    if isinstance(content, Tensor):
        items = content.tolist()
    else:
        before += [None] * (len(content) - len(before))
        items = [from_plain(item, old) for item, old in zip(content, before, strict=False)]
    if kind == "list" and type(now) is list:
        now[:] = items
        return now
    if type(now) is deque and kind == "deque" and now.maxlen == more[0]:
        now.clear()
        now.extend(items)
        return now
    if kind == "deque":
        return deque(items, *more)
    return {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}[kind](items)


def _dict(content: Any, now: Any) -> Any:
    pairs = [(from_plain(key), value) for key, value in content]
    before = now if type(now) is dict else {}
    items = {key: from_plain(value, before.get(key)) for key, value in pairs}
    if type(now) is not dict:
        return items
    now.clear()
    now.update(items)
    return now


def _generator(kind: str, content: Any, more: list[Any], now: Any) -> Any:
    if kind == "torch generator":
        generator = now if isinstance(now, torch.Generator) else torch.Generator(_device(*more))
        return generator.set_state(content.cpu())
    if kind == "python random":
        now = now if isinstance(now, random.Random) else random.Random()
        version, words, gauss = content
        now.setstate((version, tuple(words), gauss))
        return now
    state = from_plain(content)
    if kind == "numpy random state":
        now = now if isinstance(now, np.random.RandomState) else np.random.RandomState()
        now.set_state(state)
        return now
    if kind != "numpy generator" or state["bit_generator"] not in NUMPY_STREAMS:
        raise ValueError(f"a value of kind {kind}")
    if not isinstance(now, np.random.Generator):
        now = np.random.Generator(getattr(np.random, state["bit_generator"])())
    now.bit_generator.state = state
    return now
