"""What a sweep that is started again does with the runs that it finds, under every launcher."""

from __future__ import annotations

from pathlib import Path

import pytest

from abreast.learner import checkpoint
from abreast.runs.directory import RunDirectory
from support.command_line import Outcome
from support.forks import run_forked

TINY = (
    "data=random",
    "data.size=100",
    "data.test_size=30",
    "data.batch_size=20",
    "model.hidden=[4]",
    "trainer=cpu",
    "trainer.max_epochs=2",
    "callbacks=none",
    "logger=none",
)
LAUNCHERS = ("abreast", "basic", "joblib")


def sweep(folder: Path, launcher: str, *more: str) -> Outcome:
    done = run_forked(["-m", "seed=0,1", *TINY, f"hydra/launcher={launcher}", *more], folder)
    assert done.code == 0, done.out + done.err
    return done


def runs(folder: Path) -> list[RunDirectory]:
    return [RunDirectory(path.parent) for path in sorted(folder.glob("runs/*/*/*/config.yaml"))]


@pytest.mark.parametrize(
    "launcher", [pytest.param(name, marks=pytest.mark.long if name == "joblib" else ()) for name in LAUNCHERS]
)
def test_a_second_start(launcher: str, tmp_path: Path) -> None:
    if launcher == "joblib":
        pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    sweep(tmp_path, launcher)
    failed, interrupted = runs(tmp_path)
    failed.write_status("failed", reason="ValueError: wrong")
    interrupted.write_status("interrupted", reason="OSError: [Errno 32] Broken pipe")
    before = {run.path: (run.checkpoints / "last.ckpt").read_bytes() for run in (failed, interrupted)}
    again = sweep(tmp_path, launcher)
    assert [run.read_status() for run in runs(tmp_path)] == [{"status": "finished"}] * 2
    kept = failed.path / ".replaced-1"
    assert (kept / "checkpoints" / "last.ckpt").read_bytes() == before[failed.path]
    assert RunDirectory(kept).read_status()["status"] == "failed"
    said = again.out + again.err
    assert launcher == "joblib" or "what was trained there before is kept in" in said
    assert launcher == "joblib" or str(kept.relative_to(tmp_path)) in said
    assert not (interrupted.path / ".replaced-1").exists()  # it was resumed: all of its epochs were trained
    weights = [checkpoint.load(path)["state_dict"] for path in (kept / "checkpoints").glob("last.ckpt")]
    assert weights
    third = sweep(tmp_path, launcher)
    said = third.out + third.err
    if launcher == "basic":  # which was silent
        assert all(f"{run.path} is finished already" in said for run in runs(tmp_path))
    if launcher == "abreast":
        assert "2 of 2 runs are finished already" in said


def test_launchers_keep_their_own_directories(tmp_path: Path) -> None:
    """They name runs differently: in one directory, each run would be there twice."""
    for launcher in ("abreast", "basic"):
        sweep(tmp_path, launcher, "trainer.max_epochs=1")
    sweeps = {run.path.parent for run in runs(tmp_path)}
    assert len(sweeps) == 2
    assert len(runs(tmp_path)) == 4
