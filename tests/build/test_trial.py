"""A custom network that does not fit the data is one message; trying one leaves it as it is."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hydra.utils import execution_whitelist

from abreast.errors import ConfigError
from abreast.training.run import run
from support.helpers import WHITELIST, compose

SOURCE = """
import torch
class Net(torch.nn.Module):
    def __init__(self, in_features, out_features, kind="good"):
        super().__init__()
        self.kind, self.calls = kind, 0
        sizes = {"in": (3, out_features), "out": (in_features, 7)}
        self.linear = torch.nn.Linear(*sizes.get(kind, (in_features, out_features)))
        self.norm = torch.nn.BatchNorm1d(in_features)
        self.register_buffer("seen", torch.zeros(()))
    def forward(self, inputs):
        self.calls, self.seen = self.calls + 1, self.seen + 1
        rows = inputs.flatten(1)
        if self.kind == "bug":
            return self.nothing(rows)
        scores = self.linear(self.norm(rows) if self.kind == "good" else rows)
        return {"tuple": (scores,), "flat": scores.sum(0)}.get(self.kind, scores)
"""
MESSAGES = {
    "in": "cannot compute a batch of shape [2, 20] (RuntimeError: mat1 and mat2 shapes cannot be multiplied",
    "out": "gives shape [2, 7] for a batch of shape [2, 20], but the data need a tensor of shape [2, 10]",
    "tuple": "gives a tuple for a batch",
    "flat": "gives shape [10] for a batch",
    "bug": "cannot compute a batch of shape [2, 20] (AttributeError: 'Net' object has no",
}


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    (tmp_path / "trial_nets.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "trial_nets", raising=False)

    def trained(kind: str) -> Path:
        cfg = compose(
            *("data=random", "data.size=60", "data.test_size=20", "trainer=cpu", "logger=none"),
            *("callbacks=none", "trainer.max_epochs=1"),
        )
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
    assert text.startswith("model: trial_nets.Net ")
    assert MESSAGES[kind] in text
    assert "\n" not in text


def test_trying_leaves_no_trace(trained: Callable[[str], Path]) -> None:
    """Batches of training, validation and test are counted in the network's own buffer: none more."""
    state = torch.load(trained("good") / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    (seen,) = [value for name, value in state.items() if name.endswith("seen")]
    (batches,) = [value for name, value in state.items() if name.endswith("num_batches_tracked")]
    assert int(batches) == 1
    assert int(seen) <= 2  # training and validation
