"""`abreast rm` asks, knows what is needed, and follows no link."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import pytest

from abreast.cli.rm import main
from abreast.errors import RunError
from abreast.runtime.directory_lock import lock


class Terminal(io.StringIO):
    """Standard input at which somebody sits."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("answer", "is_kept"), [("y\n", False), ("n\n", True), ("", True)])
def test_it_asks(
    answer: str,
    is_kept: bool,
    runs: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    assert main([str(runs / "one")]) == int(is_kept)
    assert (runs / "one").exists() is is_kept
    assert "a run, 5 files" in capsys.readouterr().err


def test_without_somebody_to_ask_nothing_is_deleted(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    with pytest.raises(RunError, match="Add --yes"):
        main([str(runs / "one")])
    assert (runs / "one").exists()


@pytest.mark.parametrize("name", ["one", "swept"])
def test_a_deletion_that_was_killed_is_finished(
    name: str, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before each of the calls that delete something."""
    steps = limit = 0

    def killed(path: Path, *args: object, **kwargs: object) -> None:
        nonlocal steps
        if Path(path).name == (runs / name).name or steps >= limit:
            raise KeyboardInterrupt
        steps += 1
        (rmtree if Path(path).is_dir() else unlink)(path)

    rmtree, unlink = shutil.rmtree, Path.unlink
    for most in range(9):
        steps, limit = 0, most
        with monkeypatch.context() as patch:
            patch.setattr(shutil, "rmtree", killed)
            patch.setattr(Path, "unlink", killed)
            with pytest.raises(KeyboardInterrupt):
                main([str(runs / name), "--yes"])
    assert main([str(runs / name), "--yes"]) == 0
    assert not (runs / name).exists()


def test_a_run_of_a_sweep_is_trained_again(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(runs / "swept" / "sgd1"), "--yes"]) == 0
    assert "which trains it again when it is run again" in capsys.readouterr().err
    assert sorted(path.name for path in (runs / "swept").iterdir()) == [
        *("adam0", "adam1", "multirun.yaml", "sgd0")
    ]


@pytest.mark.parametrize("file", ["study.json", "decision.json"])
def test_what_a_result_rests_on_stays(file: str, runs: Path) -> None:
    (runs / "swept" / file).write_text("{}")
    with pytest.raises(RunError, match=r"nothing was deleted, as the (study|decision)"):
        main([str(runs / "one"), str(runs / "swept" / "sgd0"), "--yes"])
    assert (runs / "one").exists()
    assert main([str(runs / "swept" / "sgd0"), "--yes", "--force"]) == 0
    assert main([str(runs / "swept"), "--yes"]) == 0
    assert not (runs / "swept").exists()


def test_links_are_not_followed(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").touch()
    (runs / "one" / "checkpoints").symlink_to(tmp_path / "kept")
    (tmp_path / "link").symlink_to(runs / "one")
    with pytest.raises(RunError, match="a link"):
        main([str(tmp_path / "link"), "--yes"])
    assert main([str(runs / "one"), "--yes"]) == 0
    assert (tmp_path / "kept" / "file").exists()


@pytest.mark.parametrize("used", ["swept", "swept/sgd0"])
def test_what_is_being_trained_stays(used: str, runs: Path) -> None:
    # As another process would hold it: this process's list of its locks does not have it.
    assert lock(runs / used) is not None
    for path in ("swept", "swept/sgd0"):
        with pytest.raises(RunError, match="being trained"):
            main([str(runs / path), "--yes"])


def test_only_runs_are_deleted(runs: Path, tmp_path: Path) -> None:
    for path, message in ((runs, "holds no run itself"), (tmp_path / "no", "no such directory")):
        with pytest.raises(RunError, match=message):
            main([str(path), "--yes"])
