"""A custom network that does not fit the data is one message; trying one leaves it as it is."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra.utils import execution_whitelist
from torch import nn

from abreast.build.data import build_data
from abreast.build.trial import check_network
from abreast.config.types import Config
from abreast.errors import ConfigError
from abreast.runs.directory import RunDirectory
from abreast.training.run import run
from support.helpers import WHITELIST, compose

SOURCE = """
import itertools
import warnings
import torch
class Odd:
    pass
class Net(torch.nn.Module):
    def __init__(self, in_features, out_features, kind="good"):
        super().__init__()
        self.kind, self.calls = kind, 0
        sizes = {"in": (3, out_features), "out": (in_features, 7)}
        self.linear = torch.nn.Linear(*sizes.get(kind, (in_features, out_features)))
        self.norm = torch.nn.BatchNorm1d(in_features)
        self.register_buffer("seen", torch.zeros(()))
        self.hidden = [torch.nn.Linear(in_features, in_features)]
        self.mean, self.steps = None, 0
        self.register_buffer("running", torch.zeros(()), persistent=False)
        self.factors = itertools.cycle([1, 2])
        self.act = lambda x: self.linear(x).relu()
        self.codes = None
        if kind in ("sparse buffer", "sparse constant"):
            graph = torch.eye(out_features).to_sparse()
            self.register_buffer("graph", graph, persistent=kind == "sparse buffer")
        if kind == "patched":
            forward = self.forward
            self.forward = lambda x: forward(2 * x)
        if kind == "hooked":
            self.linear.register_forward_hook(lambda module, inputs, output: output * self.norm.weight[0])
        if kind == "traced":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # it is deprecated
                self.traced = torch.jit.trace(self.linear, torch.zeros(2, in_features))
        self.table = torch.nn.Embedding(9, out_features, sparse=True)
    def state_dict(self, *args, **options):
        state = super().state_dict(*args, **options)
        for key in list(state):
            if self.kind == "drops all" or (self.kind == "drops" and key.endswith("linear.bias")):
                del state[key]
        return state
    def get_extra_state(self):
        return Odd() if self.kind == "odd extra state" else {"kind": self.kind}
    def set_extra_state(self, state):
        pass
    def forward(self, inputs):
        self.calls, self.seen = self.calls + 1, self.seen + 1
        rows = inputs.flatten(1)
        if self.kind == "bug":
            return self.nothing(rows)
        scores = self.linear(self.norm(rows) if self.kind == "good" else rows)
        if self.kind == "list":
            scores = self.linear(self.hidden[0](rows))
        if self.kind == "late":
            self.late = getattr(self, "late", torch.nn.Linear(rows.shape[1], scores.shape[1]))
            scores = self.late(rows)
        if self.kind == "remembers":
            self.mean = rows.mean() if self.mean is None else 0.9 * self.mean + 0.1 * rows.mean()
            scores = scores * (1 + self.mean.detach())
        if self.kind == "counts":
            self.steps += 1
            scores = scores * self.steps
        if self.kind == "cycles" and self.training:
            scores = scores * next(self.factors)
        if self.kind == "closure":
            scores = self.act(self.norm(rows))
        if self.kind == "traced":
            scores = self.traced(rows)
        if self.kind == "top":
            scores = scores - scores.topk(4, 0).values.mean(0)
        if self.kind == "perturbed" and self.training:
            rows = rows.detach().requires_grad_()
            (slope,) = torch.autograd.grad(self.linear(rows).square().sum(), rows)
            scores = self.linear(rows + 0.1 * slope.sign())
        if self.kind == "grows":
            self.seen = torch.cat([self.seen.flatten(), self.seen.new_zeros(1)])
        if self.kind == "late buffer" and not hasattr(self, "average"):
            self.register_buffer("average", rows.mean(0))
        if self.kind == "running":
            self.running += self.training
            scores = scores + self.running
        if self.kind in ("sparse buffer", "sparse constant"):
            scores = torch.sparse.mm(self.graph, scores.t()).t()
        if self.kind == "sparse":
            scores = scores + self.table(rows.abs().long().clamp(max=8)).mean(1)
        if self.kind == "auxiliary" and self.training:
            return scores, scores
        if self.kind == "fails in training" and self.training:
            raise ValueError("no")
        outputs = {"tuple": (scores,), "flat": scores.sum(0), "dict": {"logits": scores}}
        outputs |= {"detached": scores.detach(), "whole": scores.long(), "complex": scores + 1j}
        return outputs.get(self.kind, scores)
"""
MESSAGES = {
    "in": "cannot compute a batch of shape [54, 20] (RuntimeError: mat1 and mat2 shapes cannot be multiplied",
    "out": "gives shape [54, 7] for a batch of shape [54, 20], but the data need a tensor of shape [54, 10]",
    "tuple": "gives a tuple for a batch",
    "flat": "gives shape [10] for a batch",
    "dict": "tensor of shape [54, 10]: 10 scores for each example. Let its forward give the logits alone",
    "auxiliary": "gives a tuple for a batch of shape [54, 20] in training",
    "fails in training": "cannot compute a batch of shape [54, 20] in training (ValueError: no)",
    "detached": "gives scores without a gradient",
    "whole": "gives scores of int64",
    "complex": "gives scores of complex64",
    "list": "computes with 2 trainable tensors (of shape [20, 20], [20]) that are not among its parameters",
    "late": "makes late.bias, late.weight in its forward",
    "late buffer": "makes the buffers average in its forward, too late to load them from a checkpoint",
    "grows": "has a state_dict that cannot be saved and loaded again: the weights do not fit the network",
    "cycles": "gives other scores in training for the same batch after a step, although its weights",
    "running": "gives other scores for the same batch after a step, although its weights were loaded",
    "drops": "no checkpoint holds the trained linear.bias",
    "drops all": "gives other scores for the same batch after a step",
    "odd extra state": "saved and loaded again: _extra_state of it is neither a tensor nor plain values",
    "sparse buffer": "saved and loaded again: graph of it is sparse, quantized or nested",
    "sparse": "torch.optim.Adam: Adam does not support sparse gradients",
    "bug": "cannot compute a batch of shape [54, 20] (AttributeError: 'Net' object has no",
}


@pytest.fixture(scope="module")
def config() -> Config:
    return compose(
        *("data=random", "data.size=60", "data.test_size=20", "trainer=cpu", "logger=none"),
        *("callbacks=none", "trainer.max_epochs=1"),
    )


@pytest.fixture
def trained(config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    (tmp_path / "trial_nets.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "trial_nets", raising=False)

    def trained(kind: str) -> Path:
        cfg = copy.deepcopy(config)
        cfg["model"] = {"_target_": "trial_nets.Net", "kind": kind}
        with execution_whitelist([*WHITELIST, "trial_nets.*"]):
            run(cfg, tmp_path / kind)
        return tmp_path / kind

    return trained


@pytest.mark.parametrize("kind", MESSAGES)
def test_one_message_before_training(kind: str, trained: Callable[[str], Path]) -> None:
    with pytest.raises(ConfigError) as error:
        trained(kind)
    text = str(error.value)
    assert text.startswith(("model: trial_nets.Net ", "optim or schedule: "))
    assert MESSAGES[kind] in text
    assert "\n" not in text


def test_trying_leaves_no_trace(trained: Callable[[str], Path]) -> None:
    """Batches of training, validation and test are counted in the network's own buffer: none more."""
    state = torch.load(trained("good") / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    (seen,) = [value for name, value in state.items() if name.endswith("seen")]
    (batches,) = [value for name, value in state.items() if name.endswith("num_batches_tracked")]
    assert int(batches) == 1
    assert int(seen) <= 2  # training and validation


@pytest.mark.parametrize(
    "kind",
    ["closure", "patched", "hooked", "traced", "perturbed", "top", "remembers", "counts", "sparse constant"],
)
def test_sound_networks_are_trained(kind: str, trained: Callable[[str], Path]) -> None:
    assert (trained(kind) / "result.json").is_file()


class WithoutEncoder(nn.Module):
    """Leaves a frozen part out of its state, which its `__init__` makes."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Linear(20, 8).requires_grad_(False)
        nn.init.ones_(self.encoder.weight)
        nn.init.zeros_(self.encoder.bias)
        self.head = nn.Linear(8, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.encoder(x))  # type: ignore[no-any-return]

    def state_dict(self, *args: Any, **options: Any) -> Any:
        state = super().state_dict(*args, **options)
        prefix = options.get("prefix", "")
        del state[f"{prefix}encoder.weight"], state[f"{prefix}encoder.bias"]
        return state


def test_a_frozen_part_may_be_left_out_of_the_state(config: Config, tmp_path: Path) -> None:
    cfg = {**config, "model": {"_target_": f"{__name__}.WithoutEncoder"}}
    net = WithoutEncoder()
    before = copy.deepcopy([*net.parameters()])
    with execution_whitelist([*WHITELIST, __name__ + ".*"]):
        data = build_data(cfg)
        assert check_network(cfg, net, data, WithoutEncoder) == []
        assert all(map(torch.equal, before, net.parameters()))
        run(cfg, tmp_path / "run")
    result = RunDirectory(tmp_path / "run").read_result()
    assert result["metrics"]["test/loss"] > 0
