"""The weights' moving average: its values, and which weights a run trains, tests and keeps."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from abreast.errors import ConfigError
from abreast.learner.checkpoint import load
from abreast.optim.weight_average import WeightAverage
from abreast.runs.directory import RunDirectory
from abreast.training.run import run
from support.helpers import allowed, compose

TINY = ("data=random", "data.size=100", "data.test_size=40", "data.batch_size=20", "trainer.max_epochs=1")


def sgd(parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=1.0)


def test_the_average_by_hand() -> None:
    weight = nn.Parameter(torch.tensor([8.0]))
    optimizer = WeightAverage([weight], sgd, decay=0.15)
    averages = [8.0]
    for n, after in enumerate((7.0, 6.0, 5.0)):
        weight.grad = torch.ones(1)
        optimizer.step()
        assert weight.item() == after
        d = min(0.15, (1 + n) / (10 + n))  # 1/10, 2/11 -> 0.15, 0.15
        averages.append(d * averages[-1] + (1 - d) * after)
    optimizer.eval()
    optimizer.eval()
    assert weight.item() == pytest.approx(averages[-1])
    optimizer.train()
    assert weight.item() == 5.0


def test_the_checkpoint_has_the_average_of_an_ordinary_training(tmp_path: Path) -> None:
    plain, averaged = tmp_path / "plain", tmp_path / "averaged"
    runs: list[tuple[Path, tuple[str, ...]]] = [(plain, ()), (averaged, ("ema=0.9",))]
    for path, more in runs:
        with allowed():
            run(compose(*TINY, "trainer=cpu", "logger=none", "optim=sgd", "optim.lr=0.5", *more), path)
    one, other = (load(path / "checkpoints" / "last.ckpt") for path in (plain, averaged))
    training = other["optimizer_states"][0]["others"]
    weights = [value for key, value in one["state_dict"].items() if key.startswith("net.")]
    assert all(map(torch.equal, training, weights))  # the average does not touch the training
    average = [value for key, value in other["state_dict"].items() if key.startswith("net.")]
    assert not any(map(torch.equal, average, weights))
    rows = [RunDirectory(path).read_metrics()[0] for path in (plain, averaged)]
    assert rows[0]["train/loss"] == rows[1]["train/loss"]
    assert rows[0]["val/loss"] != rows[1]["val/loss"]


@pytest.mark.parametrize(
    ("optim", "message"),
    [
        ("lbfgs", r"ema: LBFGS takes more of a step than its gradient; write ema=null"),
        ("sophia", r"ema: SophiaH takes more of a step"),
        ("schedule_free", r"ema: AdamWScheduleFree averages the weights itself; write ema=null"),
    ],
)
def test_optimizers_whose_weights_are_not_averaged(optim: str, message: str, tmp_path: Path) -> None:
    with allowed(), pytest.raises(ConfigError, match=message):
        run(compose(*TINY, "trainer=cpu", f"optim={optim}", "ema=0.9"), tmp_path)
