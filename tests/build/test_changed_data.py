"""A data file that changes behind its path: what was trained on it never passes for a run of the new one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from abreast.inference.evaluate import evaluate
from abreast.learner.checkpoint import trained_digest
from abreast.runs.directory import RunDirectory
from support.forks import run_forked

TINY = ("data=npz", "model.hidden=[4]", "trainer=cpu", "trainer.max_epochs=2", "logger=none")
WAYS = {"stack": (), "individually": ("hydra/launcher=basic",)}


@dataclass(frozen=True)
class Sweeps:
    """A data file, and sweeps that were trained on it."""

    file: Path
    folder: Path

    def write_data(self, seed: int) -> None:
        draw = np.random.default_rng(seed)
        inputs = draw.normal(size=(60, 3)).astype("float32")
        np.savez(self.file, x=inputs, y=(inputs[:, 0] > 0).astype("int64"))

    def run(self, way: str, code: int = 0) -> str:
        command = ["-m", "seed=0,1", f"hydra.sweep.dir={way}", f"data.file={self.file}", *TINY, *WAYS[way]]
        done = run_forked(command, self.folder)
        assert done.code == code, done.out + done.err
        return done.out + done.err

    def runs(self, way: str) -> list[RunDirectory]:
        return [RunDirectory(file.parent) for file in sorted((self.folder / way).glob("*/config.yaml"))]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Sweeps:
    folder = tmp_path_factory.mktemp("trained")
    sweeps = Sweeps(folder / "my.npz", folder)
    sweeps.write_data(0)
    for way in WAYS:
        sweeps.run(way)
    return sweeps


@pytest.fixture
def sweeps(trained: Sweeps, tmp_path: Path) -> Iterator[Sweeps]:
    """Copies of the sweeps; their data file has been replaced by another one, of other data."""
    sweeps = Sweeps(trained.file, Path(shutil.copytree(trained.folder, tmp_path / "copy")))
    sweeps.write_data(1)
    yield sweeps
    sweeps.write_data(0)


@pytest.mark.parametrize("way", WAYS)
def test_finished_runs(way: str, sweeps: Sweeps) -> None:
    before = [run.read_result()["metrics"] for run in sweeps.runs(way)]
    assert f"holds a run of other data: data.file={sweeps.file}" in sweeps.run(way, code=2)
    assert [run.read_result()["metrics"] for run in sweeps.runs(way)] == before
    sweeps.write_data(0)  # the same content: another file
    assert "finished already" in sweeps.run(way)
    sweeps.file.unlink()
    assert "finished already" in sweeps.run(way)


@pytest.mark.parametrize("way", WAYS)
def test_interrupted_runs(way: str, sweeps: Sweeps) -> None:
    for run in sweeps.runs(way):
        run.write_status("interrupted")
        assert trained_digest(run) == run.read_result()["data"]["digest"]
    checkpoints = [*(sweeps.folder / way).glob("*/checkpoints/*")]
    before = [file.read_bytes() for file in checkpoints]
    assert "holds a run of other data" in sweeps.run(way, code=2)
    assert [file.read_bytes() for file in checkpoints] == before
    assert {run.read_status()["status"] for run in sweeps.runs(way)} == {"interrupted"}
    sweeps.write_data(0)
    sweeps.run(way)
    assert {run.read_status()["status"] for run in sweeps.runs(way)} == {"finished"}


def test_a_run_by_itself(sweeps: Sweeps, caplog: pytest.LogCaptureFixture) -> None:
    run, *_ = sweeps.runs("stack")
    trust = [str(sweeps.file.parent)]
    evaluate(run.path, trust=trust)
    assert f"data.file={sweeps.file} had the digest" in caplog.text
    command = [f"resume={run.path}", "trainer.max_epochs=3", f"trust={trust}"]
    before = (run.path / "status.json").read_bytes()
    done = run_forked(command, sweeps.folder)
    assert done.code == 2
    assert "holds a run of other data" in done.err
    assert (run.path / "status.json").read_bytes() == before
    sweeps.write_data(0)
    assert run_forked(command, sweeps.folder).code == 0
