"""`abreast tag`: words on a run that change nothing of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from abreast.cli import ls
from abreast.cli.tag import main
from abreast.errors import RunError
from abreast.report.collect import collect


def test_tags_are_added_listed_and_taken_away(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = collect([runs / "one"]).runs[0]
    main([str(runs / "one"), "good", "paper"])
    main([str(runs / "one"), "good"])
    assert capsys.readouterr().out.splitlines() == ["good, paper"] * 2
    after = collect([runs / "one"]).runs[0]
    assert (before.key, before.metrics) == (after.key, after.metrics)
    ls.main([str(runs), "--tag", "paper"])
    out = capsys.readouterr().out
    assert "one" in out
    assert "#paper" in out
    assert "swept" not in out
    main([str(runs / "one"), "--remove", "good", "paper"])
    assert not (runs / "one" / "tags.json").exists()


def test_mistakes(runs: Path) -> None:
    for arguments, message in (
        ([str(runs), "x"], "neither a run's nor a sweep's"),
        ([str(runs / "one"), "two words"], "a tag is a word"),
        ([str(runs / "one"), "half\udcff"], "a tag is a word"),
        ([str(runs / "one"), "--remove", "x"], "has no tag x"),
    ):
        with pytest.raises(RunError, match=message):
            main(arguments)
    with pytest.raises(RunError, match="has the tag x"):
        ls.main([str(runs), "--tag", "x"])
