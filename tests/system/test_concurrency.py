"""Several processes under one root: nobody shares a directory, and readers never stumble over writers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import IO, cast

import pytest

from abreast.errors import RunError
from abreast.report.write import write_report
from abreast.runs.directory import RunDirectory
from support.forks import run_forked
from support.helpers import ROOT
from support.small_runs import NARROW

TINY = (*NARROW, "trainer.max_epochs=60")
TRAIN = [sys.executable, str(ROOT / "train.py"), *TINY]


def started(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*TRAIN, *arguments],
        cwd=folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={k: v for k, v in os.environ.items() if not k.startswith(("HYDRA_", "PL_"))},
    )


def results(sweep: Path) -> dict[str, dict[str, float]]:
    """The metrics of a sweep's runs by directory, all of them finished."""
    found = {path.parent.name: RunDirectory(path.parent) for path in sweep.rglob("status.json")}
    assert all(run.read_status() == {"status": "finished"} for run in found.values())
    return {name: run.read_result()["metrics"] for name, run in found.items()}


def wait_for_sweeps(count: int, folder: Path, process: subprocess.Popen[str]) -> None:
    """Until the runs of so many sweeps have begun, or the process has ended."""
    while len({path.parents[1] for path in folder.glob("runs/*/*/*/status.json")}) < count:
        if process.poll() is not None:
            return
        time.sleep(0.05)


CHOOSE = """
import sys
from pathlib import Path
from abreast.cli.sweep_directory import choose
print("ready", flush=True)
sys.stdin.readline()
print(*[choose(Path(sys.argv[1]), "0badcafe") for _ in range(20)], flush=True)
sys.stdin.readline()  # the directories are this process's as long as it lives
"""


def test_no_directory_is_chosen_twice(tmp_path: Path) -> None:
    """Six processes take twenty directories of one command each, all at once."""
    command = [sys.executable, "-c", CHOOSE, str(tmp_path)]
    with ExitStack() as opened:
        processes = [
            opened.enter_context(
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            )
            for _ in range(6)
        ]
        said: list[str] = []
        for _ in ("ready", "chosen"):
            said = [cast("IO[str]", process.stdout).readline() for process in processes]
            for process in processes:
                print(file=process.stdin, flush=True)
    assert [process.returncode for process in processes] == [0] * 6
    chosen = " ".join(said).split()
    assert len(chosen) == len(set(chosen)) == 120


@pytest.mark.long
@pytest.mark.parametrize("other", ["seed=0,1", "seed=2,3"], ids=["the same", "another"])
def test_two_sweeps_at_once(other: str, tmp_path: Path) -> None:
    first = started(tmp_path, "-m", "seed=0,1")
    wait_for_sweeps(1, tmp_path, first)
    first.send_signal(signal.SIGSTOP)  # it is at work until the other one has begun, however slow that is
    second = started(tmp_path, "-m", other)
    wait_for_sweeps(2, tmp_path, second)
    first.send_signal(signal.SIGCONT)
    said = [each.communicate()[0] for each in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0), said
    sweeps = sorted(tmp_path.glob("runs/*/*"))
    assert len(sweeps) == 2
    found = [results(sweep) for sweep in sweeps]
    assert all(len(each) == 2 for each in found)
    if other == "seed=0,1":
        assert found[0] == found[1]
        told = run_forked([*TINY, "-m", other], tmp_path)  # finds all done in one of them
        assert told.code == 0
        assert "2 of 2 runs are finished already" in told.out
        assert sorted(tmp_path.glob("runs/*/*")) == sweeps


@pytest.mark.long
def test_two_runs_in_one_instant(tmp_path: Path) -> None:
    processes = [started(tmp_path) for _ in range(2)]
    said = [each.communicate()[0] for each in processes]
    assert [each.returncode for each in processes] == [0, 0], said
    runs = sorted(tmp_path.glob("runs/*/*"))
    assert len(runs) == 2
    metrics = [RunDirectory(path).read_result()["metrics"] for path in runs]
    assert metrics[0] == metrics[1]


def test_two_runs_that_are_given_one_directory(tmp_path: Path) -> None:
    """One trains. The other is told, and does not touch what is there."""
    processes = [started(tmp_path, "hydra.run.dir=one", f"seed={seed}") for seed in (1, 2)]
    said = [each.communicate()[0] for each in processes]
    assert sorted(each.returncode for each in processes) == [0, 2], said
    winner = next(n for n, each in enumerate(processes) if each.returncode == 0)
    assert RunDirectory(tmp_path / "one").read_config()["seed"] == winner + 1
    assert RunDirectory(tmp_path / "one").read_status() == {"status": "finished"}
    assert "another process is using it" in said[1 - winner] or "holds a run already" in said[1 - winner]


@pytest.mark.long
def test_a_report_while_a_sweep_writes(tmp_path: Path) -> None:
    sweep = started(tmp_path, "-m", "seed=0,1,2", "optim.lr=0.01,0.1", "hydra.launcher.save_every=0")
    reports, early = 0, 0
    while sweep.poll() is None:
        folders = list(tmp_path.glob("runs/*/*"))
        try:
            write_report(folders or [tmp_path], tmp_path / "report")
            reports += 1
        except RunError as error:
            assert "contains no run" in str(error)  # noqa: PT017 (nothing is there yet)
            early += 1
        time.sleep(0.05)
    said = sweep.communicate()[0]
    assert sweep.returncode == 0, said
    assert reports > 0
    report = write_report(list(tmp_path.glob("runs/*/*")), tmp_path / "report")
    assert "finished" in (tmp_path / "report" / "runs.csv").read_text()
    assert report.page.exists()
