"""Runs that are stopped and resumed in the tests, and the comparison with ones that never were."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from abreast.errors import Interrupted
from abreast.learner import checkpoint
from abreast.learner.module import Learner
from abreast.runs.directory import RunDirectory
from abreast.training.run import resume, run
from support.helpers import allowed, compose, same

# 9 mini-batches an epoch, the last one short; blocks of 4, 4 and 1.
TINY = (
    "data=random",
    "data.size=100",
    "data.test_size=30",
    "data.batch_size=10",
    "data.val_fraction=0.12",
    "model.hidden=[5]",
    "model.dropout=0.3",
    "trainer=cpu",
    "trainer.max_epochs=3",
    "trainer.log_every_n_steps=2",
    "callbacks=none",
    "steps_per_execution=4",
)
STEPS = 27


def begin(path: Path, *overrides: str) -> Path:
    with allowed():
        run(compose(*TINY, *overrides), path)
    return path


def stop_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a signal arrive while that optimizer step is taken."""
    due = Learner.should_sample

    def told(self: Learner, number: int, last: bool) -> bool:
        if number == step:
            self.stop_signal = signal.SIGTERM
        return due(self, number, last)

    monkeypatch.setattr(Learner, "should_sample", told)


def go_on_with(path: Path) -> None:
    """As a fresh process would: with other random streams."""
    torch.manual_seed(99)
    np.random.seed(99)
    random.seed(99)
    directory = RunDirectory(path)
    with allowed():
        resume(directory.read_config(), directory)


def stop_and_go_on(
    path: Path, at: int, monkeypatch: pytest.MonkeyPatch, *overrides: str, start: Callable[..., Path] = begin
) -> Path:
    with monkeypatch.context() as patch:
        stop_at(at, patch)
        with pytest.raises(Interrupted) as stop:
            start(path, *overrides)
    assert stop.value.code == 143
    status = RunDirectory(path).read_status()
    assert (status["status"], status["reason"]) == ("interrupted", "stopped by SIGTERM")
    go_on_with(path)
    return path


def content(path: Path) -> dict[str, Any]:
    """All that a run leaves, less times and places."""
    directory = RunDirectory(path)
    rows = [{k: v for k, v in row.items() if k != "seconds"} for row in directory.read_metrics()]
    result = {k: v for k, v in directory.read_result().items() if k not in ("seconds", "execution")}
    files = {file.name: checkpoint.load(file) for file in sorted(directory.checkpoints.iterdir())}
    for saved in files.values():
        saved["callbacks"] = {
            key.partition("{")[0]: {
                k: v
                for k, v in state.items()
                if "path" not in k and k not in ("best_k_models", "current_score", "seconds")
            }
            for key, state in saved["callbacks"].items()
        }
    return {"metrics": rows, "result": result, "files": files}


def check_equal(a: Path, b: Path) -> None:
    left, right = content(a), content(b)
    assert left["metrics"] == right["metrics"]
    assert left["result"] == right["result"]
    assert left["files"].keys() == right["files"].keys() == {"best.ckpt", "last.ckpt"}
    for name in left["files"]:
        for key in left["files"][name]:
            assert same(left["files"][name][key], right["files"][name][key]), (name, key)
