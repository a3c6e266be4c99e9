"""What is done with a finished run is done with a lane: it is evaluated, moved and predicted from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from abreast.cli.evaluate import main
from abreast.inference.evaluate import evaluate
from abreast.runs.directory import RunDirectory
from support.stacks import Both, Configs

EACH = (
    ("seed=0",),
    ("loss=hinge", "optim=momentum", "optim.lr=0.1"),
    ("optim=adam", "optim.lr=0.3", "seed=2"),
)


@pytest.mark.parametrize(
    "common",
    [
        ("model.norm=batch", "model.dropout=0.5"),
        ("checkpoint=last",),
        ("data=random_regression", "data.size=150", "loss=huber"),
        ("data.eval_batch_size=7",),
    ],
    ids=" ".join,
)
def test_evaluation_equals_the_plain_runs(common: tuple[str, ...], configs: Configs, both: Both) -> None:
    each = [[part for part in own if "hinge" not in part or "regression" not in common[0]] for own in EACH]
    for lane, plain in both(configs(("trainer.max_epochs=4", *common), *each)):
        kept = RunDirectory(lane).read_result()["metrics"]
        for checkpoint in (None, "best", "last"):
            found = evaluate(lane, checkpoint=checkpoint)
            assert found == evaluate(plain, checkpoint=checkpoint)
            assert found
            if checkpoint is None:
                assert found == {name: value for name, value in kept.items() if name.startswith("test/")}


def test_the_command_on_a_lane_that_was_moved(configs: Configs, both: Both, tmp_path: Path) -> None:
    (lane, plain), *_ = both(configs((), *EACH))
    moved = lane.rename(tmp_path / "moved")
    files = [tmp_path / "lane.json", tmp_path / "plain.json"]
    for run, file in zip((moved, plain), files, strict=True):
        assert main([str(run), "--json", str(file)]) == 0
    found, expected = (json.loads(file.read_text()) for file in files)
    assert found == expected
    assert found["test/accuracy"] > 0


def test_a_lane_that_stopped_early_is_evaluated(configs: Configs, both: Both) -> None:
    stops = ("callbacks=early_stopping", "callbacks.early_stopping.min_delta=10")
    soon = (*stops, "callbacks.early_stopping.patience=1")
    pairs = both(configs(("trainer.max_epochs=30",), ("seed=0", *soon), ("seed=1",)))
    for lane, plain in pairs:
        assert evaluate(lane, checkpoint="last") == evaluate(plain, checkpoint="last")
    assert len(RunDirectory(pairs[0][0]).read_metrics()) == 2
