"""What a stranger's directory may make the commands write and show: its own folder, and text."""

from __future__ import annotations

import csv
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from abreast.cli import evaluate, export, predict, report
from abreast.cli.resume import main as resume
from abreast.errors import RunError
from abreast.learner import checkpoint
from abreast.report.collect import collect
from abreast.report.tables import CsvTable
from abreast.runs.directory import RunDirectory
from support.forks import run_forked
from support.helpers import compose
from support.references import References

TINY = ("data=random", "data.size=100", "data.test_size=30", "model.hidden=[4]", "trainer=cpu")
ATTACK = "\x1b[2J[/b]=1+1"


@pytest.fixture
def stranger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reference: References) -> Path:
    (tmp_path / "here").mkdir()
    (tmp_path / "victim").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    path = reference(compose(*TINY, "trainer.max_epochs=1")).copy_to(tmp_path / "run")
    RunDirectory(path).write_status("interrupted", reason="stopped by SIGTERM")
    return path


@pytest.mark.parametrize("name", ["checkpoints", "events", "train.log", "a/b"])
def test_resuming_writes_through_no_link(name: str, stranger: Path, tmp_path: Path) -> None:
    link = stranger / name
    link.parent.mkdir(exist_ok=True)
    if link.exists():
        link.rename(tmp_path / "victim" / "moved")
        link.symlink_to(tmp_path / "victim" / "moved")
    else:
        link.symlink_to(tmp_path / "victim")
    before = sorted((tmp_path / "victim").rglob("*"))
    with pytest.raises(RunError, match=r"link to elsewhere|leads out"):
        resume([f"resume={stranger}", "trainer.max_epochs=2"])
    assert sorted((tmp_path / "victim").rglob("*")) == before


def test_a_link_above_the_run_is_the_users_own(stranger: Path, tmp_path: Path) -> None:
    (tmp_path / "runs").symlink_to(tmp_path)
    assert resume([f"resume={tmp_path / 'runs' / 'run'}", "trainer.max_epochs=2"]) == 0
    assert report.main([str(tmp_path / "runs" / "run")]) == 0
    assert (stranger / "report" / "report.html").exists()


@pytest.mark.parametrize(("command", "folder"), [(report.main, "report"), (export.main, "export")])
def test_reports_and_exports_write_through_no_link(
    command: Callable[[list[str]], int], folder: str, stranger: Path, tmp_path: Path
) -> None:
    (stranger / folder).symlink_to(tmp_path / "victim")
    with pytest.raises(RunError, match="not written to"):
        command([str(stranger)])
    assert not [*(tmp_path / "victim").iterdir()]


def test_links_in_a_circle_end(stranger: Path) -> None:
    folder = stranger.parent / "sweep"
    folder.mkdir()
    for name in ("a", "b", "c"):
        (folder / name).symlink_to(folder)
    (folder / "run").symlink_to(stranger)
    began = time.process_time()
    assert [run.path.name for run in collect([folder]).runs] == ["run"]
    assert time.process_time() - began < 2


def test_class_names_that_control_the_terminal(
    stranger: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = stranger / "checkpoints" / "best.ckpt"
    content = checkpoint.load(file)
    content["abreast"]["classes"] = [ATTACK] * len(content["abreast"]["classes"])
    checkpoint.write(file, content)
    print(checkpoint.load(file)["abreast"]["classes"][0])
    assert "\x1b[2J" in capsys.readouterr().out  # the attack itself works
    rows = tmp_path / "a[" / "b]\x1b[2J.csv"  # its end reads "[/b]": a closing tag
    rows.parent.mkdir()
    width = int(content["abreast"]["in_shape"][0])
    rows.write_text(",".join(["0"] * width) + "\n")
    assert predict.main([str(stranger), str(rows)]) == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "[/b]" in shown
    assert evaluate.main([str(stranger)]) == 0


@pytest.mark.parametrize("place", ["target", "reason", "status", "file name"])
def test_messages_hold_nothing_that_controls_the_terminal(place: str, stranger: Path, tmp_path: Path) -> None:
    directory = RunDirectory(stranger)
    match place:
        case "target":
            config = directory.read_config()
            config["model"]["_target_"] = f"torch.{ATTACK}"
            directory.write_config(config)
        case "reason":
            directory.write_status("failed", reason=ATTACK)
        case "status":
            directory.write_status(ATTACK)
        case _:
            stranger = stranger.rename(tmp_path / ATTACK.replace("/", ""))
    for command in ("report", "evaluate"):
        outcome = run_forked([command, str(stranger)], tmp_path)
        assert "\x1b" not in outcome.out + outcome.err
        assert "Traceback" not in outcome.err


FORMULAS = ("=1+1", "@SUM(1)", "+1+1", "-1+1", "\t=1", "\r=1", " =1+1", "\uff1d1+1", '=HYPERLINK("http://x")')


@pytest.mark.parametrize("text", FORMULAS, ids=ascii)
def test_no_cell_is_a_formula(text: str, tmp_path: Path) -> None:
    with (tmp_path / "plain.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerow([text])
    with (tmp_path / "plain.csv").open(newline="", encoding="utf-8") as file:
        assert next(csv.reader(file)) == [text]  # the attack itself works: csv writes what it is given
    CsvTable([text], [[text], [-1.5], ["-1.5"], [None]]).write(tmp_path / "x.csv")
    with (tmp_path / "x.csv").open(newline="", encoding="utf-8") as file:
        rows = [*csv.reader(file)]
    assert rows[2:] == [["-1.5"], ["-1.5"], [""]]
    assert rows[0] == rows[1]
    cell = rows[0][0]
    assert cell.startswith(("'", "\ufffd"))
    assert cell.endswith(text[1:])
    assert "\ufffd" in cell or cell == f"'{text}"


def test_a_fifo_in_place_of_any_file_ends(stranger: Path) -> None:
    for name in (
        "config.yaml",
        "status.json",
        "metrics.csv",
        "checkpoints/best.ckpt",
        "checkpoints/last.ckpt",
    ):
        before = (stranger / name).read_bytes()
        (stranger / name).unlink()
        os.mkfifo(stranger / name)
        if name != "status.json":  # which the other files make up for
            with pytest.raises(RunError):
                resume([f"resume={stranger}", "trainer.max_epochs=2"])
        if name != "metrics.csv" and "last" not in name and "status" not in name:
            with pytest.raises(RunError):
                evaluate.main([str(stranger)])
        report.main([str(stranger)])
        (stranger / name).unlink()
        (stranger / name).write_bytes(before)
