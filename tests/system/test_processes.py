"""However a run over two processes ends, its status says so, and no process is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from abreast.learner.checkpoint import load
from abreast.runs.directory import RunDirectory
from support.helpers import ROOT

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="needs /proc to see processes"),
]

ENDLESS = ("data=random", "data.size=200", "data.test_size=50", "trainer.max_epochs=1000000")
DEADLINE = 240.0  # seconds, for a machine that is busy with other tests; a rank that hangs is killed after 30

SPY = """
import os
from lightning.pytorch import Callback

class Fails(Callback):
    def on_train_epoch_start(self, trainer, pl_module):
        if trainer.current_epoch == 3 and trainer.global_rank == 1:
            raise OSError("rank 1 has lost its disk")
"""

LATE = """
import os, signal, time
from pathlib import Path
from lightning.pytorch import Callback
from abreast.learner.checkpoint_io import AtomicCheckpointIO

class Late(Callback):
    def on_exception(self, trainer, pl_module, exception):
        if trainer.global_rank == 1:
            os.kill(os.getpid(), signal.SIGTERM)
            return
        flush = AtomicCheckpointIO.flush
        def slowly(checkpoints):
            flush(checkpoints)
            if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:  # Lightning has restored it
                time.sleep(2)
                Path("saved").touch()
        AtomicCheckpointIO.flush = slowly
"""


def ranks_of(run: Path) -> dict[int, int]:
    """The processes that train the run, by their rank."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            environment = (process / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"rank" in words and str(run).encode() in words:
            rank = next(each for each in environment if each.startswith(b"RANK="))
            found[int(rank[5:])] = int(process.name)
    return found


def until(condition: Callable[[], object], what: str) -> None:
    """Wait for the condition."""
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, f"{what}: not within {DEADLINE} s"
        time.sleep(0.05)


@pytest.fixture
def begun(tmp_path: Path) -> Iterator[Callable[..., tuple[subprocess.Popen[str], RunDirectory]]]:
    """Starts an endless run over two processes; given back when it has trained an epoch."""
    started: list[subprocess.Popen[str]] = []
    run = tmp_path / "run"

    def begin(*overrides: str) -> tuple[subprocess.Popen[str], RunDirectory]:
        command = [
            sys.executable,
            str(ROOT / "train.py"),
            "trainer=ddp",
            "trainer.accelerator=cpu",
            "logger=none",
        ]
        process = subprocess.Popen(
            [*command, *ENDLESS, *overrides, f"hydra.run.dir={run}"],
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        rows = run / "metrics.csv"
        until(lambda: process.poll() is not None or (rows.exists() and rows.stat().st_size > 200), "an epoch")
        return process, RunDirectory(run)

    yield begin
    for process in started:
        process.kill()
        process.communicate()
    for pid in ranks_of(run).values():
        os.kill(pid, signal.SIGKILL)


def test_a_rank_is_killed(begun: Callable[..., tuple[subprocess.Popen[str], RunDirectory]]) -> None:
    process, run = begun()
    os.kill(ranks_of(run.path)[0], signal.SIGKILL)
    _, errors = process.communicate(timeout=DEADLINE)
    assert not ranks_of(run.path)
    assert run.read_status()["status"] == "interrupted"  # from outside: it can be resumed
    assert process.returncode == 1
    assert "of the run was killed by SIGKILL" in errors


@pytest.mark.parametrize(
    ("signum", "rank"),
    [
        (signal.SIGTERM, 0),
        (signal.SIGTERM, 1),
        (signal.SIGTERM, None),
        (signal.SIGINT, None),
        (signal.SIGINT, 0),
    ],
)
def test_a_rank_or_the_whole_is_told_to_stop(
    signum: signal.Signals, rank: int | None, begun: Callable[..., tuple[subprocess.Popen[str], RunDirectory]]
) -> None:
    process, run = begun()
    os.kill(process.pid if rank is None else ranks_of(run.path)[rank], signum)
    process.communicate(timeout=DEADLINE)
    assert not ranks_of(run.path)
    # The other ranks, which the signal did not reach, take it for SIGTERM; the first one to end is told.
    told = {signum} if rank is None else {signum, signal.SIGTERM}
    ends = {each.name: 128 + each for each in told}
    status = run.read_status()
    assert status["status"] == "interrupted"
    assert process.returncode == ends[status["reason"].removeprefix("stopped by ")]
    assert load(run.checkpoints / "last.ckpt")["epoch"] > 0


@pytest.mark.parametrize("rank", [0, 1])
def test_ranks_end_at_different_times(
    rank: int, tmp_path: Path, begun: Callable[..., tuple[subprocess.Popen[str], RunDirectory]]
) -> None:
    """One is told again while it ends, the other still has a checkpoint to write."""
    (tmp_path / "spy.py").write_text(LATE)
    process, run = begun("+callbacks.late._target_=spy.Late")
    os.kill(ranks_of(run.path)[rank], signal.SIGTERM)
    process.communicate(timeout=DEADLINE)
    status = run.read_status()
    assert (status["status"], status["reason"]) == ("interrupted", "stopped by SIGTERM")
    assert process.returncode == 128 + signal.SIGTERM
    assert (tmp_path / "saved").exists()


def test_what_started_the_ranks_is_killed(
    begun: Callable[..., tuple[subprocess.Popen[str], RunDirectory]],
) -> None:
    process, run = begun()
    assert sorted(ranks_of(run.path)) == [0, 1]
    process.kill()
    process.wait()
    until(lambda: not ranks_of(run.path), "the end of the ranks")


def test_a_rank_fails(
    tmp_path: Path, begun: Callable[..., tuple[subprocess.Popen[str], RunDirectory]]
) -> None:
    (tmp_path / "spy.py").write_text(SPY)
    process, run = begun("+callbacks.fails._target_=spy.Fails")
    _, errors = process.communicate(timeout=DEADLINE)
    assert not ranks_of(run.path)
    status = run.read_status()
    assert (status["status"], status["reason"]) == ("failed", "OSError: rank 1 has lost its disk")
    assert process.returncode == 2
    assert "rank 1 has lost its disk" in errors
