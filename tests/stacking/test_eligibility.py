"""Networks with unlike functions or settings differ in architecture; those with like ones do not."""

from __future__ import annotations

import copy
import operator
import re
import threading
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction
from functools import partial
from pathlib import Path
from types import MappingProxyType

import pytest
import torch
from torch import Tensor, nn

from abreast.stacking.eligibility import is_same_architecture


@dataclass(slots=True)
class Slotted:
    power: int


class Scale:
    """Hides its factor from pickle."""

    def __init__(self, factor: float) -> None:
        self.factor, self.lock = factor, threading.RLock()

    def __getstate__(self) -> dict[str, object]:
        return {}


class Items(list[int]):
    power = 1


class Incomparable:
    __hash__ = None  # type: ignore[assignment]

    def __reduce_ex__(self, protocol: object) -> str:
        raise TypeError

    def __eq__(self, other: object) -> bool:
        raise ValueError


class Net(nn.Module):
    def __init__(self, setting: object = None) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 2)
        self.setting = setting

    def sine(self, x: Tensor) -> Tensor:
        return (3 * x).sin()

    def relu(self, x: Tensor) -> Tensor:
        return x.relu()


def _powered(power: int) -> Callable[[Tensor], Tensor]:
    def act(x: Tensor, *, p: int = power) -> Tensor:
        return x**p

    return act


def _items(power: int) -> Items:
    items = Items([1])
    items.power = power
    return items


MAKERS: dict[str, Callable[[int], object]] = {
    "range": range,
    "slots": Slotted,
    "deque": lambda n: deque([n]),
    "length of a deque": lambda n: deque([1], maxlen=n),
    "fraction": lambda n: Fraction(n, 7),
    "slice": slice,
    "itemgetter": operator.itemgetter,
    "methodcaller": lambda n: operator.methodcaller(("sin", "cos", "relu", "tanh")[n]),
    "pattern": lambda n: re.compile("a" * n),
    "path": lambda n: Path("a") / str(n),
    "method of tensors": lambda n: (Tensor.sin, Tensor.cos, Tensor.relu, Tensor.tanh)[n],
    "function": lambda n: (torch.sin, torch.cos, torch.relu, torch.tanh)[n],
    "keyword defaults": _powered,
    "partial": lambda n: partial(torch.pow, exponent=n),
    "hidden state": Scale,
    "list with attributes": _items,
    "default of a dict": lambda n: defaultdict(_powered(n)),
    "ordered": lambda n: OrderedDict(a=n),
    "order of keys": lambda n: dict.fromkeys((1, 2) if n == 1 else (2, 1)),
    "read-only": lambda n: MappingProxyType({"a": n}),
    "whole or not": lambda n: n if n == 1 else 1.0,
    "duration": timedelta,
    "iterator": lambda n: iter([n]),
    "tensor": lambda n: torch.tensor(n),
    "parts of a list": lambda n: [{"a": (Slotted(n),)}],
}


@pytest.mark.parametrize("kind", MAKERS)
def test_settings_are_compared(kind: str) -> None:
    make = MAKERS[kind]
    assert is_same_architecture(Net(make(1)), Net(make(1)))
    assert not is_same_architecture(Net(make(1)), Net(make(2)))


def test_methods_are_compared() -> None:
    nets = [Net() for _ in range(3)]
    for net, name in zip(nets, ("sine", "sine", "relu"), strict=True):
        net.setting = getattr(net, name)
    first = copy.deepcopy(nets[0])
    assert is_same_architecture(nets[1], first)
    assert not is_same_architecture(nets[2], first)


def test_what_cannot_be_compared() -> None:
    assert is_same_architecture(Net(threading.Lock()), Net(threading.Lock()))
    assert not is_same_architecture(Net(Incomparable()), Net(Incomparable()))
