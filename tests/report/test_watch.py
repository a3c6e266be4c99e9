"""`--watch`: a new report when results change and only then, until nothing is under way."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from abreast.cli.report import main
from abreast.errors import RunError
from abreast.report import watch as module
from abreast.report.watch import RELOAD, watch
from abreast.report.write import Report, write_report
from support.report_runs import config, write_run


def renew(folder: Path) -> None:
    """The run in `folder/a` has finished."""
    shutil.rmtree(folder / "a")
    write_run(folder / "a", config(), test=0.9)


class Story:
    """What happens in each pause of a watch."""

    def __init__(self, folder: Path, *steps: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.steps = folder, list(steps)
        self.reloads: list[int | None] = []
        self.lines: list[str] = []
        self.pauses: list[float] = []
        self.is_used = True
        monkeypatch.setattr(module, "is_used", lambda _: self.is_used)

    def watch(self) -> Report:
        return watch([self.folder], self.make, self.lines.append, self.sleep)

    def make(self, reload: int | None) -> Report:
        self.reloads.append(reload)
        return write_report([self.folder], reload=reload)

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.steps.pop(0)()

    def end(self) -> None:
        self.is_used = False


def test_a_sweep_from_its_first_run_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing() -> None:
        pass

    story = Story(
        tmp_path,
        partial(write_run, tmp_path / "a", config(), status="running"),
        nothing,
        partial(renew, tmp_path),
        nothing,
        lambda: story.end(),
        monkeypatch=monkeypatch,
    )
    report = story.watch()
    assert report.analysis.sweep.counts() == {"finished": 1}
    assert story.reloads == [RELOAD] * 3 + [None]  # before the first run, running, finished; the end
    assert [line.partition(".")[0] for line in story.lines] == [
        "no run has begun yet",
        "1 run: 1 running",
        "1 run: 1 finished",
    ]
    assert min(story.pauses) >= module.PAUSE
    assert "data-reload=" not in report.page.read_text().partition("<head>")[0]


def test_one_run_that_no_sweep_holds_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_run(tmp_path / "a", config(), status="running")
    story = Story(tmp_path, partial(renew, tmp_path), monkeypatch=monkeypatch)
    monkeypatch.setattr("abreast.report.run.is_abandoned", lambda _: False)
    story.end()
    assert story.watch().analysis.sweep.counts() == {"finished": 1}
    assert story.reloads == [None, RELOAD, None]


def test_a_report_takes_a_share_of_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_run(tmp_path / "a", config())
    story = Story(tmp_path, lambda: story.end(), monkeypatch=monkeypatch)
    clock = iter(range(0, 1000, 7))
    monkeypatch.setattr("abreast.report.watch.time.monotonic", lambda: float(next(clock)))
    story.watch()
    assert story.pauses == [5 * 7.0]


def test_runs_of_others_are_watched_until_it_is_stopped(tmp_path: Path) -> None:
    table = tmp_path / "results.csv"
    table.write_text("optimizer,seed,acc\nadam,0,0.9\nadam,1,0.91\n")
    lines: list[str] = []

    def more(_: float) -> None:
        if len(lines) == 3:
            raise KeyboardInterrupt
        with table.open("a") as file:
            file.write(f"sgd,{len(lines)},0.8\n")

    with pytest.raises(KeyboardInterrupt):
        watch([table], lambda reload: write_report([table], reload=reload), lines.append, more)
    assert [line.partition(":")[0] for line in lines] == ["2 runs", "3 runs", "4 runs"]
    assert ["Watching until Ctrl-C" in line for line in lines] == [True, False, False]
    assert "data-reload=" in (tmp_path / "report" / "report.html").read_text().partition("<head>")[0]


def test_nothing_to_wait_for_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="contains no run"):
        watch([tmp_path], lambda reload: write_report([tmp_path], reload=reload), print)


def test_a_missing_browser_is_said_before_the_sweep_is_watched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROWSER_PATH", str(tmp_path / "none"))
    monkeypatch.setattr("abreast.cli.report.watch", lambda *_: pytest.fail("it was watched"))
    with pytest.raises(RunError, match="requires Chrome or Chromium"):
        main([str(tmp_path), "--watch", "--figures"])
