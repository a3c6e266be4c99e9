"""`abreast show`: a run in one screen, an option without opening its file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from abreast.cli.show import main
from abreast.config.options import conf_dir, groups
from abreast.errors import ConfigError, RunError
from support.report_runs import config, write_run


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) == 0
    return capsys.readouterr().out


def test_a_run(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = said(capsys, str(runs / "one"))
    assert "finished, 3 epochs, 1.5 s" in out
    assert "loss=cross_entropy optim=adam" in " ".join(out.split())
    assert "optim.lr=0.01" in out  # the others are at their option's default
    assert "_target_" not in out
    assert "data.batch_size" not in out
    assert "0.9100" in out
    assert f"abreast evaluate {runs / 'one'}" in out.replace("\n", "")


def test_a_run_as_json(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(said(capsys, str(runs / "one"), "--json"))
    assert found["metrics"]["test/accuracy"] == 0.91
    assert (found["status"], found["seed"], found["epochs"]) == ("finished", 7, 3)
    assert found["settings"]["optim.lr"] == 0.01


def test_a_run_that_failed_shows_its_last_epoch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(tmp_path / "a", config(), status="failed", reason="diverged at step 3", val=0.5)
    out = said(capsys, str(tmp_path / "a"))
    assert "failed, diverged at step 3" in out
    assert "last epoch" in out
    assert "0.5000" in out


def test_a_sweep_is_for_report(runs: Path) -> None:
    with pytest.raises(RunError, match=r"holds a sweep; write abreast report"):
        main([str(runs / "swept")])
    with pytest.raises(RunError, match="holds no run; abreast ls"):
        main([str(runs)])


@pytest.mark.parametrize(
    "what", [f"{group}={name}" for group, names in groups([conf_dir()]).items() for name in names]
)
def test_every_option(what: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(said(capsys, what, "--json"))
    assert found["comment"], "the option's file says what it is"
    assert Path(found["file"]).is_file()
    out = said(capsys, what)
    assert found["comment"][0].split()[0] in out
    for key in found["keys"]:
        assert f"  {key}=" in out


def test_a_group(capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(said(capsys, "loss", "--json"))
    assert found["hinge_embedding"].startswith("Hinge embedding")
    assert all(found.values())


@pytest.mark.parametrize("width", [80, 40])
def test_a_group_says_what_each_option_is_in_every_width(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    out = said(capsys, "loss")
    assert max(len(line.rstrip()) for line in out.splitlines()) <= width
    assert "Hinge embedding: mean_j of d_j for the class and of max(0," in " ".join(out.split())
    assert "train.py" not in said(capsys, "study")  # commands are no description


def test_an_option_of_ones_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "loss").mkdir()
    (tmp_path / "loss" / "mine.yaml").write_text("# Mine: half.\nscale: 0.5\n")
    out = said(capsys, "loss=mine", "--config-dir", str(tmp_path))
    assert "Mine: half." in out
    assert "loss.scale=0.5" in out


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("loss=hing", r"loss=hing: no such option.*Did you mean loss=hinge\?"),
        ("los=hinge", r"los: no such group.*Did you mean loss\?"),
        ("nothing", "neither a run's directory nor a group of options"),
    ],
)
def test_mistakes(what: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        main([what])
