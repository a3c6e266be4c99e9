"""A network is built from its checkpoint only if what is said of its inputs fits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from abreast.errors import RunError
from abreast.inference.evaluate import evaluate
from abreast.learner.checkpoint import load, write
from abreast.runs.directory import RunDirectory

TINY = ("data=random", "data.size=60", "data.test_size=30", "trainer.max_epochs=1", "model.hidden=[4]")
CHANGES = {
    "normalize.mean": torch.zeros(7),
    "normalize.scale": torch.zeros(1, 1, 1),
    "normalize.components": torch.zeros(3, 7),
    "normalize.offset": torch.zeros(5),
}


def test_moments_and_components_of_other_shapes(train: Callable[..., Path]) -> None:
    path = train(*TINY, "data.pca=3")
    tested = RunDirectory(path).read_result()["metrics"]["test/loss"]
    assert evaluate(path)["test/loss"] == tested
    file = path / "checkpoints" / "best.ckpt"
    whole = load(file)
    assert whole["state_dict"]["normalize.components"].shape == (3, 20)
    for name, value in [*CHANGES.items(), ("normalize.offset", None), ("normalize.components", "x")]:
        weights = {**whole["state_dict"], name: value}
        if value is None:
            del weights[name]
        write(file, {**whole, "state_dict": weights})
        with pytest.raises(RunError, match=r"best\.ckpt"):
            evaluate(path)
