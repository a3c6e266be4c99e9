"""`abreast ls` lists runs and sweeps, whatever is in their directories."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from abreast.cli.ls import main
from abreast.errors import RunError
from abreast.runs.tags import write_tags


def listed(folder: Path, capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    assert main([str(folder), "--json"]) == 0
    rows: list[dict[str, object]] = json.loads(capsys.readouterr().out)
    return rows


def test_a_sweep_is_one_line(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = {str(row["path"]).rpartition("/")[2]: row for row in listed(runs, capsys)}
    assert rows.keys() == {"one", "swept"}
    assert rows["one"]["settings"] == "digits mlp cross_entropy adam seed=7"
    assert (rows["one"]["kind"], rows["one"]["best"], rows["one"]["metric"]) == ("run", 0.91, "test/accuracy")
    assert rows["swept"]["kind"] == "sweep"
    assert rows["swept"]["runs"] == {"finished": 3, "failed": 1}
    assert (rows["swept"]["settings"], rows["swept"]["best"]) == ("optim", 0.96)


def test_the_runs_of_a_sweep(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = listed(runs / "swept", capsys)
    assert [row["settings"] for row in rows] == [
        f"optim={optim} seed={seed}" for optim in ("adam", "sgd") for seed in (0, 1)
    ]


@pytest.mark.parametrize("width", [40, 80])
def test_it_fits_the_terminal(
    width: int, runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    for folder in (runs, runs / "swept"):
        main([str(folder)])
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= width
    assert "0.9600" in out
    long = "loss=cross_entropy,optim=adam,seed=0_14e47d5077"
    (runs / "swept" / "adam0").rename(runs / "swept" / long)
    main([str(runs / "swept")])
    assert long in capsys.readouterr().out  # in one piece, to be copied


def test_what_is_broken_is_listed_too(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (runs / "one" / "status.json").write_text("{")
    (runs / "one" / "tags.json").write_text("[[[")
    (runs / "circle").symlink_to(runs)
    (runs / "empty").mkdir()
    rows = listed(runs, capsys)
    assert [row["runs"] for row in rows if row["kind"] == "run"] == [{"unreadable": 1}]
    assert len(rows) == 2


def test_a_tag_leaves_the_order(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = listed(runs, capsys)[0]["changed"]
    write_tags(runs / "one", ["good"])
    os.utime(runs / "one", (2e9, 2e9))
    assert listed(runs, capsys)[0]["changed"] == before


def test_nothing_to_list(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="contains no run yet"):
        main([str(tmp_path)])
    with pytest.raises(RunError, match="no such directory"):
        main([str(tmp_path / "runs")])
