"""SIGTERM and Ctrl-C to real processes: the run is saved, the exit code says why, and nothing lives on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from abreast.learner import checkpoint
from abreast.runs.directory import RunDirectory
from support.helpers import ROOT

pytestmark = pytest.mark.slow

LONG = (
    "data=random",
    "data.size=2000",
    "data.batch_size=10",
    "trainer=cpu",
    "trainer.max_epochs=100000",
    "callbacks=none",
)
STARTS = {
    "plain": ("hydra.run.dir=run",),
    "ddp": ("hydra.run.dir=run", "trainer=ddp", "trainer.devices=2"),
    "sweep": ("-m", "seed=0,1", "hydra.sweep.dir=run", "hydra.launcher.save_every=1"),
    "one by one": ("-m", "seed=0,1", "hydra.sweep.dir=run", "hydra/launcher=basic"),
}


def seldom(kind: str) -> list[pytest.MarkDecorator]:
    """The marks of a start that is interrupted by the same code as another one."""
    return [pytest.mark.long] * (kind in ("plain", "one by one"))


def command(*arguments: str) -> list[str]:
    return [sys.executable, str(ROOT / "train.py"), *arguments]


class Started:
    """A command in a session of its own; what it says goes to a file, as a full pipe would halt it."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.log = folder / "said.txt"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                command(*arguments), cwd=folder, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        until = time.monotonic() + 120
        while not any(folder.rglob("last.ckpt")):
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < until, self.log.read_text()
            time.sleep(0.05)

    def ended(self) -> str:
        """Wait for the end; what was said."""
        self.process.wait(timeout=60)
        return self.log.read_text()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Started]]:
    """Starts a command and waits for its first checkpoint; nothing of it outlives the test."""
    begun: list[Started] = []

    def begin(*arguments: str) -> Started:
        begun.append(Started(tmp_path, *arguments))
        return begun[-1]

    yield begin
    for each in begun:
        for pid in session(each.process):
            os.kill(pid, signal.SIGKILL)
        each.process.wait()


def session(process: subprocess.Popen[bytes]) -> list[int]:
    """The processes of the command's session that live."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == process.pid and fields[0] != "Z":
                found.append(int(entry.name))
    return found


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize(
    ("kind", "number"),
    [
        *(pytest.param(kind, signal.SIGTERM, id=f"{kind}-SIGTERM") for kind in STARTS),
        *(pytest.param(kind, signal.SIGINT, id=f"{kind}-Ctrl-C", marks=seldom(kind)) for kind in STARTS),
        *(pytest.param(kind, signal.SIGHUP, id=f"{kind}-SIGHUP", marks=pytest.mark.long) for kind in STARTS),
    ],
)
def test_a_signal_saves_and_stops(
    kind: str, number: signal.Signals, start: Callable[..., Started], tmp_path: Path
) -> None:
    started = start(*LONG, *STARTS[kind])
    process = started.process
    if number != signal.SIGTERM:
        os.killpg(process.pid, number)  # as the terminal does
    else:
        process.send_signal(number)
    said = started.ended()
    assert process.returncode == 128 + number, said
    assert "Traceback" not in said, said
    assert not session(process)
    found = sorted(path.parent for path in tmp_path.rglob("status.json"))
    assert len(found) == (2 if kind == "sweep" else 1)
    for path in found:
        directory = RunDirectory(path)
        assert directory.read_status() == {"status": "interrupted", "reason": f"stopped by {number.name}"}
        saved = checkpoint.load(directory.checkpoints / "last.ckpt")
        assert saved["global_step"] > 0
        rows = directory.read_metrics() if (path / "metrics.csv").exists() else []
        assert saved["global_step"] >= (rows[-1]["step"] if rows else 0)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize(
    "number",
    [signal.SIGKILL, pytest.param(signal.SIGSEGV, marks=pytest.mark.long)],
    ids=["SIGKILL", "SIGSEGV"],
)
def test_a_killed_rank_is_told_in_one_line(
    number: signal.Signals, start: Callable[..., Started], tmp_path: Path
) -> None:
    """The other rank said so in up to 107 lines of gloo, and the run counted as failed."""
    started = start(*LONG, *STARTS["ddp"])
    ranks = ranks_of(tmp_path / "run")
    assert len(ranks) == 2
    os.kill(max(ranks), number)
    said = started.ended()
    assert started.process.returncode == 1
    [line] = said.strip().splitlines()
    assert f"of 2 of the run was killed by {number.name}" in line
    assert f"resume={tmp_path / 'run'}" in line
    assert not session(started.process)
    assert not ranks_of(tmp_path / "run")
    status = RunDirectory(tmp_path / "run").read_status()
    assert status["status"] == "interrupted"
    assert number.name in status["reason"]
    checkpoint.load(tmp_path / "run" / "checkpoints" / "last.ckpt")


def ranks_of(run: Path) -> list[int]:
    """The processes `abreast rank RUN`."""
    ranks = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and f"rank\0{run}\0".encode() in (entry / "cmdline").read_bytes():
                ranks.append(int(entry.name))
    return ranks


@pytest.mark.long
def test_nohup_trains_on(start: Callable[..., Started], tmp_path: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # which processes inherit
    try:
        started = start(*LONG, *STARTS["ddp"])
    finally:
        signal.signal(signal.SIGHUP, before)
    os.killpg(started.process.pid, signal.SIGHUP)
    time.sleep(3)
    assert started.process.poll() is None, started.log.read_text()
    assert RunDirectory(tmp_path / "run").read_status() == {"status": "running"}


def test_a_stopped_run_goes_on_by_its_directory_alone(start: Callable[..., Started], tmp_path: Path) -> None:
    started = start(*LONG, *STARTS["plain"])
    started.process.terminate()
    assert f"resume={tmp_path / 'run'}" in started.ended()
    epoch = int(
        checkpoint.load(tmp_path / "run" / "checkpoints" / "last.ckpt")["abreast"]["position"]["epoch"]
    )
    again = command("resume=run", f"trainer.max_epochs={epoch + 2}")
    done = subprocess.run(again, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    directory = RunDirectory(tmp_path / "run")
    assert directory.read_status() == {"status": "finished"}
    assert [row["epoch"] for row in directory.read_metrics()] == [*range(1, epoch + 3)]
    assert directory.read_config()["trainer"]["max_epochs"] == epoch + 2
    log = (tmp_path / "run" / "train.log").read_text()
    assert "Stopped." in log
    finished = subprocess.run(
        command("resume=run"), cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert finished.returncode == 0
    assert "nothing to do" in finished.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("resume=nowhere",), "nowhere: no such run directory"),
        (("resume=",), "resume= has no run directory: write resume=RUN_DIR"),
        (("resume=run", "optim.lr=1"), "optim.lr=1: a resumed run keeps its settings"),
        (("resume=run", "-m"), "a sweep is resumed by running its command again"),
    ],
)
def test_mistakes_in_resuming_are_told_at_once(
    arguments: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    done = subprocess.run(command(*arguments), cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not [*tmp_path.iterdir()]
