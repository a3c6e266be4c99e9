"""`abreast compare`: what differs between runs, and what they reached."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from abreast.cli.compare import main
from abreast.errors import RunError
from support.report_runs import config, write_run


def compared(capsys: pytest.CaptureFixture[str], *runs: Path) -> dict[str, dict[str, list[str]]]:
    assert main([*map(str, runs), "--json"]) == 0
    found: dict[str, dict[str, list[str]]] = json.loads(capsys.readouterr().out)
    return found


def test_only_what_differs(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = compared(capsys, runs / "one", runs / "swept" / "sgd0")
    assert found["settings"] == {
        "optim": ["adam", "sgd"],
        "seed": ["7", "0"],
        "optim._target_": ["torch.optim.Adam", "some.sgd"],
        "optim.lr": ["0.01", "0.001"],
    }
    assert found["metrics"]["test/accuracy"] == ["0.91", "0.93"]
    assert "neutral settings" not in found


def test_equal_text_of_another_type_differs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(tmp_path / "a", config(optim__lr=1))
    write_run(tmp_path / "b", config(optim__lr=True))
    assert "optim.lr" in compared(capsys, tmp_path / "a", tmp_path / "b")["settings"]


def test_neutral_keys_stand_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(tmp_path / "a", config(data__dir="/a"))
    write_run(tmp_path / "b", config(data__dir="/b"))
    found = compared(capsys, tmp_path / "a", tmp_path / "b")
    assert found["neutral settings"] == {"data.dir": ["/a", "/b"]}
    assert "settings" not in found


def test_the_table(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([str(runs / "swept" / "sgd0"), str(runs / "swept" / "sgd1")])
    out = capsys.readouterr().out
    assert "failed" in out
    assert "seed" in out
    assert "0.93" in out


def test_no_number_is_broken_where_a_table_is_too_wide(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    paths = [str(runs / "one"), *(str(runs / "swept" / name) for name in ("adam0", "adam1", "sgd0"))]
    main(paths)
    lines = capsys.readouterr().out.splitlines()
    assert max(len(line) for line in lines if str(runs) not in line) <= 30
    at = lines.index("test/accuracy")
    assert lines[at + 1 : at + 3] == ["  A 0.91  B 0.95  C 0.96", "  D 0.93"]
    assert not any("_target_" in line for line in lines)  # the option says it


def test_mistakes(runs: Path) -> None:
    with pytest.raises(RunError, match="at least two runs"):
        main([str(runs / "one")])
    with pytest.raises(RunError, match="holds 4 runs"):
        main([str(runs / "one"), str(runs / "swept")])
