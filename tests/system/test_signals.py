"""SIGTERM and Ctrl-C to real processes: the run is saved, the exit code says why, and nothing lives on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
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
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
@pytest.mark.parametrize("kind", STARTS)
def test_a_signal_saves_and_stops(
    kind: str, number: signal.Signals, start: Callable[..., Started], tmp_path: Path
) -> None:
    started = start(*LONG, *STARTS[kind])
    process = started.process
    if number == signal.SIGINT:
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
