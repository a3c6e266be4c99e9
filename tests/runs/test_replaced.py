"""A run that restarts from scratch deletes no checkpoint of an earlier one."""

from __future__ import annotations

from pathlib import Path

import pytest

from abreast.report.collect import collect
from abreast.runs.replaced import clear


def leave(run: Path, content: str, *, checkpoint: bool = True) -> None:
    (run / "checkpoints").mkdir(parents=True, exist_ok=True)
    for name in ("config.yaml", "status.json", "metrics.csv", "events.out.tfevents.1"):
        (run / name).write_text(content)
    if checkpoint:
        (run / "checkpoints" / "last.ckpt").write_text(content)


def test_checkpoints_move_aside_each_time(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = tmp_path / "run"
    for content in ("first", "second"):
        leave(run, content)
        kept = clear(run)
        assert kept is not None
        assert str(kept) in caplog.text
        assert {path.name: path.read_text() for path in kept.iterdir() if path.is_file()} == dict.fromkeys(
            ("config.yaml", "status.json", "metrics.csv", "events.out.tfevents.1"), content
        )
        assert (kept / "checkpoints" / "last.ckpt").read_text() == content
        assert sorted(
            path.name for path in run.iterdir() if path != kept and not path.name.startswith(".")
        ) == ["config.yaml"]
    assert [run_.path.name for run_ in collect([tmp_path]).runs] == ["run"]  # reports pass over them


def test_without_a_checkpoint_nothing_is_kept(tmp_path: Path) -> None:
    leave(tmp_path, "x", checkpoint=False)
    assert clear(tmp_path) is None
    assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]


def test_a_link_where_it_would_go_is_not_followed(tmp_path: Path) -> None:
    run, victim = tmp_path / "run", tmp_path / "victim"
    victim.mkdir()
    leave(run, "x")
    (run / ".replaced-1").symlink_to(victim)
    assert clear(run) == run / ".replaced-2"
    assert not [*victim.iterdir()]
