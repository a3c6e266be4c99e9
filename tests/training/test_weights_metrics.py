"""The metrics of a result are those of the weights that it names, whenever they were validated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from abreast.build.components import build_learner
from abreast.build.data import build_data
from abreast.build.steps import build_step_config
from abreast.config.types import Config
from abreast.learner.checkpoint import load
from abreast.runs.directory import RunDirectory
from abreast.stacking.build import Job
from abreast.stacking.run import train_stack
from abreast.training.run import run
from support.helpers import allowed, compose

TINY = ("trainer=cpu", "logger=none", "callbacks=none", "data=random", "data.size=200", "data.test_size=20")


def validated(config: Config, path: Path) -> dict[str, float]:
    """Accuracy and loss of the checkpoint's weights on the validation examples, computed anew."""
    step_config, steps = build_step_config(config)
    data = build_data(config, steps)
    learner = build_learner(config, data, step_config)
    learner.load_state_dict(load(path)["state_dict"])
    learner.eval()
    with torch.no_grad():
        scores = learner(data.val.inputs)
    hits = (scores.argmax(1) == data.val.targets).float().mean()
    loss = torch.nn.functional.cross_entropy(scores, data.val.targets)
    return {"val/accuracy": float(hits), "val/loss": float(loss)}


CASES: list[tuple[str, ...]] = [
    (),
    ("trainer.check_val_every_n_epoch=2", "checkpoint=last"),
    ("trainer.check_val_every_n_epoch=2", "monitor=train/loss"),
    ("trainer.check_val_every_n_epoch=2",),
    ("+trainer.val_check_interval=2", "optim.lr=0.1"),  # in the epoch's 6 mini-batches: after 2, 4 and 6
    ("+trainer.val_check_interval=4", "checkpoint=last"),  # after 4: the epoch ends with others
]


def check(config: Config, path: Path) -> None:
    directory = RunDirectory(path)
    result = directory.read_result()
    weights = directory.checkpoints / result["checkpoint"]
    expected = validated(config, weights)
    found = {name: value for name, value in result["metrics"].items() if name.startswith("val/")}
    assert found == pytest.approx(expected, rel=1e-5)
    assert result["step"] == load(weights)["global_step"]
    assert (result["epoch"], result["status"]) == (load(weights)["epoch"] + 1, "finished")


@pytest.mark.parametrize("case", CASES, ids=" ".join)
def test_individual_runs(case: tuple[str, ...], tmp_path: Path) -> None:
    config = compose(*TINY, "data.batch_size=30", "trainer.max_epochs=3", *case)
    with allowed():
        run(config, tmp_path / "run")
        check(config, tmp_path / "run")


@pytest.mark.parametrize("case", [case for case in CASES if "val_check" not in str(case)], ids=" ".join)
def test_stacked_runs(case: tuple[str, ...], tmp_path: Path) -> None:
    configs: list[dict[str, Any]] = [
        compose(*TINY, "data.batch_size=30", "trainer.max_epochs=3", f"seed={seed}", *case) for seed in (0, 1)
    ]
    with allowed():
        outcomes = train_stack([Job(config, tmp_path / str(n)) for n, config in enumerate(configs)])
        for number, (config, outcome) in enumerate(zip(configs, outcomes, strict=True)):
            assert outcome.error is None
            assert outcome.value is not None
            check(config, tmp_path / str(number))


def test_a_best_epoch_within_the_epoch_has_its_own_metrics(tmp_path: Path) -> None:
    config = compose(*TINY, "data.batch_size=30", "trainer.max_epochs=1", "+trainer.val_check_interval=2",
                     "optim=sgd", "optim.lr=30", "monitor=val/loss")  # fmt: skip
    with allowed():
        run(config, tmp_path / "run")
    directory = RunDirectory(tmp_path / "run")
    result, (row,) = directory.read_result(), directory.read_metrics()
    assert result["step"] < row["step"]
    assert result["metrics"]["val/loss"] < row["val/loss"]
    assert "train/loss" not in result["metrics"]  # the epoch's, over steps that these weights had not seen
