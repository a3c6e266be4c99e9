"""What a run's directory says of how far the run has come."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from abreast.runs.directory import RunDirectory
from abreast.runs.state import failed_before_training

FAILED = {"format": 1, "status": "failed", "reason": "DataError: no such file"}


@pytest.mark.parametrize(
    ("status", "file", "expected"),
    [
        (FAILED, "train.log", True),
        ({**FAILED, "status": "interrupted"}, "", True),
        ({**FAILED, "status": "running"}, "", False),
        ({**FAILED, "status": "finished"}, "", False),
        ({**FAILED, "diverged_at": 3}, "", False),
        (FAILED, "checkpoints/last.ckpt", False),
        (FAILED, "checkpoints/best.ckpt", False),
        (FAILED, "checkpoints/steps/step=900.ckpt", False),
        (FAILED, "wandb/x", False),
        (FAILED, "metrics.csv", False),
        (FAILED, "result.json", False),
        (["a", "list"], "", False),
        (None, "", False),
    ],
)
def test_a_run_that_failed_before_training(status: object, file: str, expected: bool, tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    if status is not None:
        (tmp_path / "status.json").write_text(json.dumps(status))
    if file:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    assert failed_before_training(RunDirectory(tmp_path)) == expected
