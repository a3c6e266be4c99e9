"""One process at a time: a lane while its sweep trains, a sweep that is started twice into its directory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from abreast.runs.directory import RunDirectory
from abreast.runtime.directory_lock import is_used, used
from support.command_line import environment
from support.forks import run_forked
from support.helpers import ROOT
from support.small_runs import NARROW
from support.sweeps import Swept

TINY = (*NARROW, "logger=none")
FOR_EVER = "trainer.max_epochs=1000000"
WAYS = {
    "stack": ("hydra.launcher.save_every=0",),
    "one by one": ("hydra/launcher=basic",),
    "processes": ("hydra.launcher.save_every=0", "hydra.launcher.workers=2"),
    "workers": ("hydra.launcher.save_every=0", "hydra.launcher.engine=joblib", "hydra.launcher.workers=2"),
}


def halt(group: int) -> None:
    """Stop the processes of a group, and wait until their last thread stands still."""
    os.killpg(group, signal.SIGSTOP)
    while thread_states(group) - {"T", "Z"}:
        time.sleep(0.01)


def thread_states(group: int) -> set[str]:
    states = set()
    for stat in Path("/proc").glob("[0-9]*/task/[0-9]*/stat"):
        with suppress(OSError):  # it has ended
            state, _parent, of_group = stat.read_text().rpartition(")")[2].split()[:3]
            if int(of_group) == group:
                states.add(state)
    return states


@contextmanager
def sweeping(folder: Path, *more: str) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """A sweep at work, halted, and the directory of one of its runs."""
    command = [sys.executable, str(ROOT / "train.py"), "-m", "seed=0,1", "hydra.sweep.dir=sweep", *more]
    with (folder / "said.txt").open("w") as log:
        process = subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=log, start_new_session=True, env=environment()
        )
    try:
        until = time.monotonic() + 120
        while not (lanes := [*folder.glob("sweep/**/last.ckpt")]):
            assert process.poll() is None, (folder / "said.txt").read_text()
            assert time.monotonic() < until
            time.sleep(0.05)
        halt(process.pid)
        yield process, lanes[0].parents[1]
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def check_refused(arguments: list[str], folder: Path) -> None:
    done = run_forked(arguments, folder)
    assert done.code == 2, done.out + done.err
    [line] = done.err.strip().splitlines()
    assert "Wait until that one ends" in line


@pytest.mark.slow
@pytest.mark.parametrize(
    "way", [pytest.param(way, marks=() if way == "stack" else pytest.mark.long) for way in WAYS]
)
def test_a_sweep_at_work(way: str, tmp_path: Path) -> None:
    arguments = [*TINY, FOR_EVER, *WAYS[way]]
    with sweeping(tmp_path, *arguments) as (process, lane):
        before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
        check_refused([f"resume={lane}"], tmp_path)
        check_refused(["-m", "seed=0,1", "hydra.sweep.dir=sweep", *arguments], tmp_path)
        if way == "stack":
            (tmp_path / "link").symlink_to(lane)
            check_refused(["resume=link"], tmp_path)
            check_refused(
                ["-m", "seed=7,8", "hydra.sweep.dir=sweep", "hydra/launcher=basic", *TINY], tmp_path
            )
        after = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
        assert before == after
        os.kill(process.pid, signal.SIGKILL)  # workers, if there are any, train on; forked processes do not
        process.wait()
        if way in ("workers", "processes"):
            check_refused([f"resume={lane}"], tmp_path)
        if way == "processes":
            os.killpg(process.pid, signal.SIGCONT)
            while is_used(tmp_path / "sweep"):
                time.sleep(0.01)
        if way != "workers":
            assert not is_used(tmp_path / "sweep")
            epochs = len(RunDirectory(lane).read_metrics()) + 2
            done = run_forked([f"resume={lane}", f"trainer.max_epochs={epochs}"], tmp_path)
            assert done.code == 0, done.err
            assert [int(row["epoch"]) for row in RunDirectory(lane).read_metrics()] == [*range(1, epochs + 1)]


MANY_RUNS = {
    "study": ("+study=loss_x_optim",),
    "search": ("hydra/sweeper=abreast_search", "optim.lr=interval(0.001,0.1)"),
    "decide": ("hydra/sweeper=abreast_decide", "loss=cross_entropy,mse", "+hydra.sweeper.margin=0.05"),
    "basic": ("seed=0,1", "hydra/launcher=basic"),
}


@pytest.mark.parametrize("kind", MANY_RUNS)
def test_a_directory_at_work(kind: str, tmp_path: Path) -> None:
    if kind == "search":
        pytest.importorskip("optuna")
    with used(tmp_path / "sweep"):
        check_refused(["-m", *MANY_RUNS[kind], *TINY, "hydra.sweep.dir=sweep"], tmp_path)
    assert not [*(tmp_path / "sweep").iterdir()]


@pytest.mark.parametrize("launcher", ["abreast", "basic"])
def test_a_lane_at_work(launcher: str, tmp_path: Path) -> None:
    """Who resumes it is left alone; the others are trained."""
    arguments = ["-m", "seed=0,1", "trainer.max_epochs=1", *TINY, f"hydra/launcher={launcher}"]
    done = run_forked([*arguments, "hydra.sweep.dir=sweep"], tmp_path)
    assert done.code == 0, done.err
    sweep = Swept(tmp_path / "sweep", "")
    lane = sweep.runs()[min(sweep.runs())]
    lane.write_status("interrupted")
    before = {path: path.read_bytes() for path in lane.path.glob("*.json")}
    with used(lane.path):
        done = run_forked([*arguments, "hydra.sweep.dir=sweep"], tmp_path)
    assert done.code == 2, done.out + done.err
    assert "another process is using it" in done.out + done.err
    assert {path: path.read_bytes() for path in lane.path.glob("*.json")} == before
    done = run_forked([*arguments, "hydra.sweep.dir=sweep"], tmp_path)
    assert (done.code, sweep.statuses()) == (0, ["finished", "finished"])
