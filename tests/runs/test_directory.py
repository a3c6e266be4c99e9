"""The run directory: what is written is read back, and what is broken is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from abreast.errors import RunError
from abreast.runs.atomic import write_atomically
from abreast.runs.directory import RunDirectory
from abreast.runs.format import FORMAT, NewerFormatError
from abreast.runs.state import run_state


def test_what_is_written_is_read(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    config = {"optim": {"lr": 1e-08, "betas": [0.9, 0.999]}, "data": {"dir": "Zürich"}, "none": None}
    run.write_config(config)
    assert run.read_config() == config
    run.write_status("failed", reason="diverged at step 3")
    assert run.read_status() == {"status": "failed", "reason": "diverged at step 3"}
    result = {"metrics": {"test/loss": 0.1}, "confusion": [[1, 2], [3, 4]], "classes": ["a [b", "c\n]"]}
    run.write_result(result)
    assert run.read_result() == result
    assert "[1, 2]" in (run.path / "result.json").read_text()


def test_metrics_rows_and_empty_cells(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    run.append_metrics({"epoch": 1, "val/loss": None, "train/loss": 0.25})
    run.append_metrics({"epoch": 2, "val/loss": float("inf"), "train/loss": 1e-9})
    assert run.read_metrics() == [
        {"epoch": 1.0, "train/loss": 0.25},
        {"epoch": 2.0, "val/loss": float("inf"), "train/loss": 1e-9},
    ]


@pytest.mark.parametrize("name", ["status.json", "result.json", "config.yaml"])
@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe", b"a: [", b"null"])
def test_broken_files_are_named(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    run = RunDirectory(tmp_path)
    read = {"status.json": run.read_status, "result.json": run.read_result, "config.yaml": run.read_config}
    with pytest.raises(RunError, match=name.replace(".", r"\.")):
        read[name]()


def test_a_broken_cell_is_named(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("epoch,train/loss\n1,zero\n")
    with pytest.raises(RunError, match=r"metrics\.csv: a cell is not a number .*zero"):
        RunDirectory(tmp_path).read_metrics()


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no such run directory"):
        RunDirectory(tmp_path / "gone").read_result()
    with pytest.raises(RunError, match=r"result\.json: missing"):
        RunDirectory(tmp_path).read_result()


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    write_atomically(path, b"old")
    with pytest.raises(TypeError):
        write_atomically(path, "text, not bytes")  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["status.json"]


def test_json_is_strict_where_it_can_be(tmp_path: Path) -> None:
    RunDirectory(tmp_path).write_status("finished")
    assert json.loads((tmp_path / "status.json").read_text()) == {"format": 1, "status": "finished"}


@pytest.mark.parametrize("name", ["status.json", "result.json", "config.yaml"])
@pytest.mark.parametrize(
    ("version", "message"),
    [(FORMAT + 1, "reads formats up to"), (0, "is not a format version"), (True, "is not a format version")],
)
def test_a_newer_format_is_refused_and_kept(name: str, version: object, message: str, tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    run.write_status("finished")
    run.write_config({"seed": 0})
    run.write_result({"metrics": {}})
    read = {"status.json": run.read_status, "result.json": run.read_result, "config.yaml": run.read_config}
    path = tmp_path / name
    text = path.read_text()
    assert text.count(f"{FORMAT}") >= 1
    written = json.dumps(version)
    changed = text.replace(f'"format": {FORMAT}', f'"format": {written}').replace(
        f"format: {FORMAT}", f"format: {written}"
    )
    assert changed != text
    path.write_text(changed)
    with pytest.raises(RunError, match=message) as caught:
        read[name]()
    assert str(path) in str(caught.value)
    if version == FORMAT + 1:
        config: dict[str, object] = {"seed": 0}
        if name == "config.yaml":
            with pytest.raises(NewerFormatError):  # and nothing is removed, as for a broken file
                run_state(run, config)
        assert path.read_text() == changed


def test_a_file_without_a_format_has_the_first(tmp_path: Path) -> None:
    (tmp_path / "status.json").write_text('{"status": "finished"}')
    assert RunDirectory(tmp_path).read_status() == {"status": "finished"}
