"""A failed assertion of a GPU's kernel is one line that says what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from abreast.errors import RunError
from abreast.runs.directory import RunDirectory
from abreast.runtime.device_assert import device_asserts_told
from abreast.stacking.build import Job
from abreast.stacking.run import train_stack
from abreast.training.run import run
from support.helpers import allowed, compose

CUDA = "CUDA error: device-side assert triggered\nSearch for `cudaErrorAssert' in the documentation"
COMMON = ("trainer=cpu", "logger=none", "callbacks=none", "trainer.max_epochs=1")


def fail(*args: Any, **kwargs: Any) -> None:
    """As a kernel does."""
    raise RuntimeError(CUDA)


def test_it_is_told_for_a_run_and_for_a_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("abreast.stacking.chunk_step.ChunkStep.take", fail)
    monkeypatch.setattr(torch.nn.functional, "cross_entropy", fail)
    with allowed(), pytest.raises(RunError, match=r"an index, such as a label.*trainer\.accelerator=cpu"):
        run(compose(*COMMON), tmp_path / "run")
    assert "such as a label" in RunDirectory(tmp_path / "run").read_status()["reason"]
    jobs = [Job(compose(*COMMON, f"seed={seed}"), tmp_path / str(seed)) for seed in range(2)]
    with allowed(), pytest.raises(RunError, match="an index, such as a label"):
        train_stack(jobs)


def test_what_fails_because_of_it_later_is_told_as_well_and_other_errors_stay() -> None:
    @device_asserts_told()
    def stop() -> None:
        try:
            fail()
        finally:
            raise RuntimeError("a checkpoint cannot be copied")

    with pytest.raises(RunError):
        stop()
    with pytest.raises(RuntimeError, match="something else"), device_asserts_told():
        raise RuntimeError("something else")
