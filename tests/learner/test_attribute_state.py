"""What a network keeps in attributes is saved with its weights: a resumed run is bitwise identical."""

from __future__ import annotations

import io
import logging
import random
from collections import Counter, deque
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from abreast.errors import RunError
from abreast.learner.attribute_state import ATTRIBUTES, AttributeState, copied_network
from abreast.learner.checkpoint import as_read, load
from abreast.learner.network_state import load_state
from abreast.training.run import run
from support.helpers import allowed, compose, same
from support.resuming import TINY, check_equal, stop_and_go_on

EPOCH = 9  # steps


class Phase(Enum):
    """A class of the network's author, whose members are shared by all."""

    WARM = "warm"
    HOT = "hot"


class Stateful(nn.Module):
    """Counts, anneals, remembers, and draws from generators of its own."""

    def __init__(self, in_features: int = 3, out_features: int = 2) -> None:
        super().__init__()
        self.linear = nn.Linear(in_features, out_features)
        self.steps, self.temperature, self.is_warm = 0, 4.0, False
        self.torch_numbers = torch.Generator().manual_seed(1)
        self.more_numbers = [torch.Generator().manual_seed(2)]
        self.numpy_numbers, self.old_numbers = np.random.default_rng(3), np.random.RandomState(4)
        self.python_numbers = random.Random(5)
        self.hidden: Tensor | None = None
        self.array = np.zeros(out_features, dtype=np.float32)
        self.recent: deque[float] = deque(maxlen=3)
        self.history: list[float] = []
        self.counts: dict[str, int] = {}
        self.parts: set[int] = set()
        self.phase, self.logger = Phase.WARM, logging.getLogger("abreast.test")
        self.weights_seen = self.linear.weight.detach()[0]  # a part of a parameter, which is saved with it

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.linear(x.flatten(1))
        if self.training:
            self.steps, self.temperature, self.is_warm = self.steps + 1, self.temperature * 0.9, True
            noise = torch.randn(scores.shape, generator=self.torch_numbers)
            noise += torch.randn(scores.shape, generator=self.more_numbers[0])
            factor = self.numpy_numbers.random() + self.old_numbers.rand() + self.python_numbers.random()
            scores = scores + 0.1 * float(factor) * noise
            mean = scores.detach().mean(0)
            self.hidden = mean if self.hidden is None else 0.9 * self.hidden + 0.1 * mean
            self.array = (self.array + mean.numpy()).astype(np.float32)
            self.recent.append(float(mean[0]))
            self.history += [1.0] * 40
            self.counts["steps"] = self.counts.get("steps", 0) + 1
            self.parts |= {self.steps * 70 + part for part in range(70)}
            self.phase = Phase.HOT
            self.late = mean
        state = sum(self.recent) + len(self.history) + sum(self.counts.values()) + len(self.parts)
        hidden = 0.0 if self.hidden is None else self.hidden + torch.from_numpy(self.array)
        return scores / self.temperature + hidden + 0.01 * (state + self.steps)


def saved(state: dict[str, Any]) -> dict[str, Any]:
    """As a checkpoint gives it back."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=True)  # type: ignore[no-any-return]


def test_every_kind_of_value() -> None:
    inputs = torch.arange(12.0).reshape(4, 3)
    torch.manual_seed(0)
    net = Stateful()
    state = AttributeState(net)
    assert state.changed(net) == {}
    first, *_ = (net(inputs) for _ in range(3))
    changed = state.changed(net)
    unchanged = {"is_warm", "weights_seen", "phase", "logger"}
    assert changed.keys() >= {f".{key}" for key in vars(net).keys() - set(vars(nn.Module())) - unchanged}
    assert ".weights_seen" not in changed
    expected = [net(inputs) for _ in range(2)]
    torch.manual_seed(0)
    other = Stateful()
    AttributeState(other).restore(other, saved(changed))
    assert same([other(inputs) for _ in range(2)], expected)
    state.restore(net, {})  # as it was built
    assert not hasattr(net, "late")
    assert torch.equal(net(inputs), first)
    assert torch.equal(copied_network(net)(inputs), net(inputs))


def test_what_is_no_plain_value_is_left_alone() -> None:
    net = Stateful()
    state = AttributeState(net)
    net.train()
    net(torch.ones(2, 3))
    state.restore(net, {})
    assert [(phase.name, phase.value) for phase in Phase] == [("WARM", "warm"), ("HOT", "hot")]
    assert net.phase is Phase.HOT
    assert net.logger is logging.getLogger("abreast.test")


@pytest.mark.filterwarnings("ignore:.*(nested|Sparse CSR|ComplexHalf|quantize)")
def test_tensors_that_hold_more_than_values_and_shared_ones_are_left_out() -> None:
    net = nn.Module()
    state = AttributeState(net)
    net.sparse, net.compressed = torch.eye(3).to_sparse(), torch.eye(3).to_sparse_csr()
    net.meta, net.half_complex = torch.ones(2, device="meta"), torch.ones(2, dtype=torch.complex32)
    net.nested = torch.nested.nested_tensor([torch.ones(2), torch.ones(3)])
    net.quantized = torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8)
    net.one = torch.ones(4)
    net.__dict__["other"] = [net.one[:2]]
    net.__dict__["a.b"] = 1
    assert state.changed(net) == {}
    net.one = torch.zeros(4)
    assert state.changed(net).keys() == {".one", ".other"}


def test_what_has_no_memory_of_its_own_is_passed_over() -> None:
    net: Any = nn.Module()
    loop: list[Any] = [1]
    loop.append(loop)
    net.loop, net.lazy, net.nan = loop, [nn.LazyLinear(3).weight], torch.tensor([float("nan"), 1.0])
    net.counts, net.masked = Counter(a=1), np.ma.array([1.0, 2.0])
    state = AttributeState(net)
    assert state.changed(net) == {}
    net.counts, net.masked = Counter(a=2), np.ma.array([1.0, 2.0], mask=[True, False])
    net.also = {"a": loop}
    assert state.changed(net) == {}


class Versioned(nn.Linear):
    """Turns the weights of its first version around."""

    _version = 2

    def _load_from_state_dict(self, state: Any, prefix: str, metadata: Any, *others: Any) -> None:
        if (metadata.get("version") or 1) < 2:
            state[f"{prefix}weight"] = -state[f"{prefix}weight"]
        super()._load_from_state_dict(state, prefix, metadata, *others)


def test_modules_are_told_the_version_that_they_saved() -> None:
    net = Versioned(2, 2)
    before = net.weight.detach().clone()
    load_state(net, as_read(saved(net.state_dict())), net, None)
    assert net.weight.equal(before)


@pytest.mark.parametrize("name", [".linear", ".forward_", "nothing.steps", "._parameters", "linear.weight"])
def test_other_attributes_are_refused(name: str) -> None:
    net = Stateful()
    state = AttributeState(net)
    with pytest.raises(RunError, match="does not fit the network"):
        state.restore(net, {name: ("object", {"steps": 2})})


@pytest.mark.parametrize("at", [1, EPOCH, 2 * EPOCH + 3])
def test_resumed_bitwise(at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begin = started(tmp_path)
    whole = begin(tmp_path / "whole")
    check_equal(whole, stop_and_go_on(tmp_path / "stopped", at, monkeypatch, start=begin))
    assert ATTRIBUTES in load(whole / "checkpoints" / "best.ckpt")["state_dict"]


def started(folder: Path) -> Callable[..., Path]:
    def begin(path: Path, *overrides: str) -> Path:
        config = compose(*TINY, *overrides)
        config["model"] = {"_target_": f"{__name__}.Stateful"}
        with allowed():
            run(config, path)
        return path

    return begin
