"""Directories of every kind, whole and broken, are found, counted and told apart."""

from __future__ import annotations

import errno
import fcntl
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from abreast.errors import RunError
from abreast.report.collect import collect
from abreast.report.files import read_curve
from abreast.report.run import Run
from abreast.runtime.directory_lock import leave, used
from support.report_runs import config, write_run


def only(folder: Path) -> Run:
    (run,) = collect([folder]).runs
    return run


def test_a_whole_run(tmp_path: Path) -> None:
    write_run(tmp_path / "a", config(seed=3), test=0.91, val=0.93, epochs=2)
    run = only(tmp_path)
    assert (run.name, run.status, run.seed, run.reason) == ("a", "finished", 3, "")
    assert run.metrics["test/accuracy"] == 0.91
    assert run.curve["epoch"] == [1.0, 2.0]
    assert run.curve["val/accuracy"] == pytest.approx([0.78, 0.93])
    assert run.seconds == 1.5
    assert run.overrides == ("loss=cross_entropy", "optim=adam", "seed=3")
    assert run.settings == {}


def breaks(name: str, content: bytes | None) -> Callable[[Path], None]:
    def broken(run: Path) -> None:
        if content is None:
            (run / name).unlink()
        else:
            (run / name).write_bytes(content)

    return broken


BROKEN = [
    ("status.json", None, "status.json: missing"),
    ("status.json", b"", "status.json: not valid JSON"),
    ("status.json", b'{"status": "fin', "status.json: not valid JSON"),
    ("status.json", b"[]", "status.json: holds no JSON object"),
    ("status.json", b"\xff\xfe", "status.json: cannot be read"),
    ("status.json", b'{"status": "dreaming"}', "status.json: unknown status 'dreaming'"),
    ("config.yaml", None, "config.yaml: missing"),
    ("config.yaml", b"a: [", "config.yaml: not valid YAML"),
    ("config.yaml", b"- 1", "config.yaml: holds no configuration"),
    ("config.yaml", b"\xff", "config.yaml: cannot be read"),
    ("result.json", None, "result.json: missing"),
    ("result.json", b'{"metrics": {"test/acc', "result.json: not valid JSON"),
    ("result.json", b"{}", "result.json: has no metrics"),
    ("result.json", b'{"metrics": [1]}', "result.json: has no metrics"),
]


@pytest.mark.parametrize(("name", "content", "reason"), BROKEN)
def test_what_is_broken_is_listed_with_its_reason(
    tmp_path: Path, name: str, content: bytes | None, reason: str
) -> None:
    write_run(tmp_path / "whole", config())
    breaks(name, content)(write_run(tmp_path / "broken", config(seed=1)))
    broken, whole = sorted(collect([tmp_path]).runs, key=lambda run: run.name)
    assert whole.status == "finished"
    assert broken.status == "unreadable"
    assert broken.reason.startswith(reason)
    assert broken.metrics == {}


def test_a_yaml_bomb_is_refused_soon(tmp_path: Path) -> None:
    run = write_run(tmp_path / "bomb", config())
    lines = ["a0: &a0 {x: 1, y: 2}"]
    lines += [f"a{n}: &a{n} {{x: *a{n - 1}, y: *a{n - 1}}}" for n in range(1, 40)]
    (run / "config.yaml").write_text("\n".join(lines))
    assert "config.yaml: not valid YAML (more than" in only(tmp_path).reason


@pytest.mark.parametrize("status", ["running", "failed", "interrupted"])
def test_a_status_is_taken_as_it_is(tmp_path: Path, status: str) -> None:
    write_run(tmp_path / "a", config(), status=status, reason="RuntimeError: one\nsecond line")
    run = only(tmp_path)
    assert (run.status, run.reason) == (status, "RuntimeError: one")
    assert run.metrics == {}
    assert len(run.curve["epoch"]) == 3
    assert (run.idle_seconds is not None) == (status == "running")


def test_a_killed_run_does_not_run(tmp_path: Path) -> None:
    """Its status is the last that it has written; nobody holds its directory, or that of its sweep."""
    write_run(tmp_path / "sweep" / "a", config(), status="running")
    leave(tmp_path / "sweep" / "a")
    (tmp_path / "sweep" / "multirun.yaml").touch()
    with used(tmp_path / "sweep"):
        assert only(tmp_path).status == "running"  # a lane: its sweep has the lock
    run = only(tmp_path)
    assert (run.status, run.reason) == ("interrupted", "killed: no process trains it any more")
    assert run.idle_seconds is None


def test_a_run_is_not_taken_for_killed_where_nothing_can_be_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(tmp_path / "a", config(), status="running")
    leave(tmp_path / "a")

    def refuse(*_: object) -> None:
        raise OSError(errno.EBADF, "as network file systems do")

    monkeypatch.setattr(fcntl, "flock", refuse)
    assert only(tmp_path).status == "running"


def test_a_directory_that_was_only_made(tmp_path: Path) -> None:
    write_run(tmp_path / "a", config())
    hydra = tmp_path / "b" / ".hydra"
    hydra.mkdir(parents=True)
    (hydra / "overrides.yaml").write_text("- optim=sgd\n")
    sweep = collect([tmp_path])
    assert sweep.counts() == {"finished": 1, "not started": 1}
    waiting = next(run for run in sweep.runs if run.name == "b")
    assert waiting.overrides == ("optim=sgd",)


def test_runs_are_found_where_they_are(tmp_path: Path) -> None:
    write_run(tmp_path / "s" / "repeat" / "0", config())
    write_run(tmp_path / "s" / "tune" / "loss=mse,optim=sgd_1f", config(seed=1))
    shutil.copytree(tmp_path / "s" / "repeat" / "0", tmp_path / "s" / "repeat" / "0" / "checkpoints" / "0")
    shutil.copytree(tmp_path / "s" / "repeat" / "0", tmp_path / "s" / "report" / "0")
    (tmp_path / "s" / "repeat" / "notes").mkdir()
    (tmp_path / "s" / ".hydra").mkdir()
    (tmp_path / "s" / "multirun.yaml").write_text("hydra: {}\n")
    assert [run.name for run in collect([tmp_path / "s"]).runs] == ["repeat/0", "tune/loss=mse,optim=sgd_1f"]
    assert [run.name for run in collect([tmp_path / "s" / "repeat" / "0"]).runs] == ["0"]


def test_several_sweeps_at_once_and_none_twice(tmp_path: Path) -> None:
    write_run(tmp_path / "one" / "0", config())
    write_run(tmp_path / "two" / "0", config(optim="sgd"))
    sweep = collect([tmp_path / "one", tmp_path / "two", tmp_path / "one"])
    assert [run.name for run in sweep.runs] == ["one/0", "two/0"]
    assert sweep.varied == ("optim",)


def test_a_duplicate_is_marked(tmp_path: Path) -> None:
    write_run(tmp_path / "a", config(seed=0), status="failed")
    write_run(tmp_path / "b", config(seed=0))
    write_run(tmp_path / "c", config(seed=0))
    write_run(tmp_path / "d", config(seed=1))
    assert {run.name: run.duplicate_of for run in collect([tmp_path]).runs} == {
        "a": "b",
        "b": "",
        "c": "b",
        "d": "",
    }


@pytest.mark.parametrize(("folder", "reason"), [("none", "no such directory"), ("", "contains no run")])
def test_nothing_there(tmp_path: Path, folder: str, reason: str) -> None:
    with pytest.raises(RunError, match=reason):
        collect([tmp_path / folder])


CURVES = [
    ("epoch,val/accuracy\n1,0.5\n2,0.6\n", {"epoch": [1, 2], "val/accuracy": [0.5, 0.6]}),
    ("epoch,val/accuracy\n1,0.5\n2,0.", {"epoch": [1], "val/accuracy": [0.5]}),  # being written
    ("epoch,val/accuracy\n1,0.5\n2\n3,x\n4,0.7\n", {"epoch": [1, 4], "val/accuracy": [0.5, 0.7]}),
    ("epoch,val/accuracy\r\n1,0.5\r\n", {"epoch": [1], "val/accuracy": [0.5]}),
    ("epoch,val/accuracy\n", {}),
    ("epoch,val/acc", {}),
    ("", {}),
]


@pytest.mark.parametrize(("text", "expected"), CURVES)
def test_rows_that_are_whole_are_read(tmp_path: Path, text: str, expected: dict[str, list[float]]) -> None:
    (tmp_path / "metrics.csv").write_bytes(text.encode())
    assert read_curve(tmp_path / "metrics.csv") == expected


def test_an_empty_cell_is_no_number(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("epoch,val/accuracy\n1,\n")
    found = read_curve(tmp_path / "metrics.csv")
    assert found["epoch"] == [1]
    assert found["val/accuracy"][0] != found["val/accuracy"][0]


def test_metrics_that_are_no_finite_numbers_are_left_out(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a", config())
    result = json.loads((run / "result.json").read_text())
    result["metrics"] = {"test/accuracy": None, "test/loss": float("nan"), "val/loss": "0.5", "test/ece": 0.1}
    (run / "result.json").write_text(json.dumps(result))
    assert only(tmp_path).metrics == {"test/ece": 0.1}


def test_runs_stand_in_the_order_of_their_settings(tmp_path: Path) -> None:
    for number, (rate, seed) in enumerate([(0.1, 10), (0.01, 2), (0.1, 2), (0.001, 0)]):
        write_run(tmp_path / str(number), config(seed=seed, optim__lr=rate))
    found = [(run.settings["optim.lr"], run.seed) for run in collect([tmp_path]).runs]
    assert found == [(0.001, 0), (0.01, 2), (0.1, 2), (0.1, 10)]
