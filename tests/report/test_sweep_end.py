"""The best groups at the end of a sweep: those of its report, in the same words."""

from __future__ import annotations

from pathlib import Path

import pytest

from abreast.report.sweep_end import MOST_GROUPS, print_best_groups
from support.report_runs import config, write_run


def lines(
    folder: Path, width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    monkeypatch.setenv("COLUMNS", str(width))
    print_best_groups(folder, 12)
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert max(map(len, out.splitlines()), default=0) <= width
    return out.splitlines()


@pytest.mark.parametrize("width", [80, 40])
def test_the_best_groups_with_n_and_interval(
    width: int, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(MOST_GROUPS + 2):
        for seed in range(3):
            failed = number == 0 and seed == 2
            write_run(
                tmp_path / f"{number}_{seed}",
                config(seed=seed, optim__lr=0.1 + number / 100),
                test=0.95 - number / 100 + seed / 1000,
                status="failed" if failed else "finished",
                reason="diverged at step 3" if failed else None,
            )
    shown = lines(tmp_path, width, capsys, monkeypatch)
    text = " ".join(" ".join(shown).split())
    assert "0.9505" in text
    assert "1 of 3 failed" in text
    assert "worse" in text
    assert "… 2 more" in text
    assert "Best by validation accuracy: optim.lr=0.1, with test accuracy 0.9505" in text
    assert "95% confidence interval" in text


def test_nothing_to_compare_is_no_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert lines(tmp_path, 80, capsys, monkeypatch) == []
    write_run(tmp_path / "one", config(seed=1), status="failed", reason="diverged at step 3")
    assert lines(tmp_path, 80, capsys, monkeypatch) == []
