"""A sweep on the real command line, and what it has left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from abreast.learner.checkpoint import load
from abreast.runs.directory import RunDirectory
from support.forks import run_forked


@dataclass(frozen=True)
class Swept:
    """What came of a sweep."""

    folder: Path
    output: str

    def runs(self) -> dict[str, RunDirectory]:
        """The runs by their directories' names."""
        return {path.parent.name: RunDirectory(path.parent) for path in self.folder.glob("*/config.yaml")}

    def statuses(self) -> list[str]:
        """How the runs ended."""
        return sorted(run.read_status()["status"] for run in self.runs().values())

    def weights(self) -> dict[str, Any]:
        """The runs' last weights."""
        return {name: load(run.checkpoints / "last.ckpt")["state_dict"] for name, run in self.runs().items()}


@pytest.fixture
def sweep(tmp_path: Path) -> Callable[..., Swept]:
    """Runs `train.py -m` with the overrides; the sweep's directory is `name`."""

    def swept(*overrides: str, name: str = "sweep", code: int = 0) -> Swept:
        common = ("-m", "trainer.accelerator=cpu", "logger=none")
        done = run_forked([*common, *overrides, f"hydra.sweep.dir={tmp_path / name}"], tmp_path)
        assert done.code == code, done.out + done.err
        return Swept(tmp_path / name, done.out + done.err)

    return swept
