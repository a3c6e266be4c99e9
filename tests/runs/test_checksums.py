"""Checksums in result.json: what was changed after a run has ended is named, and nothing else is."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from abreast.cli.resume import main as resume
from abreast.inference.evaluate import evaluate
from abreast.runs.changes import USED, changes
from abreast.runs.checksums import CHECKED, checksum, content_checksum
from abreast.runs.directory import RunDirectory
from abreast.runs.files import RESULT
from support.helpers import compose
from support.references import References
from support.resuming import TINY

CHOSEN = ("logger=none", "trainer.max_epochs=2")
ALL = (*CHECKED, RESULT)
ABSENT = ("worst.json", ".hydra/overrides.yaml")  # of a run on random data, started from Python


@pytest.fixture
def copy(reference: References, tmp_path: Path) -> RunDirectory:
    """A run that finished."""
    whole = reference(compose(*TINY, *CHOSEN)).finished()
    return RunDirectory(Path(shutil.copytree(whole, tmp_path / "run")))


def test_the_digest_is_that_of_the_standard(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    # FIPS 180-2, appendix B.1
    assert checksum(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert checksum(tmp_path / "missing") is None
    assert checksum(tmp_path) is None


@pytest.mark.parametrize("name", CHECKED)
def test_a_file_of_nothing_but_its_size_is_not_read(name: str, copy: RunDirectory) -> None:
    """Reading 20 GB takes half a minute, whether there is anything in them or not."""
    path = copy.path / name
    path.parent.mkdir(exist_ok=True)
    path.touch()
    os.truncate(path, 20 << 30)
    before = time.process_time()
    assert checksum(path) is None
    assert time.process_time() - before < 1
    if name not in ABSENT:
        assert changes(copy, ALL) == [name]


def test_the_layout_of_the_text_does_not_count() -> None:
    result = {"metrics": {"test/loss": 0.1, "test/accuracy": 1.0}, "classes": ["ä"]}
    again = json.loads(json.dumps(dict(reversed(result.items())), indent=7))
    assert content_checksum(result) == content_checksum(again)
    assert content_checksum(result) != content_checksum({**result, "classes": ["a"]})


def test_a_run_that_nobody_changed(copy: RunDirectory, caplog: pytest.LogCaptureFixture) -> None:
    recorded = copy.read_result_with_checksums()["checksums"]
    assert set(recorded) == {*ALL} - {*ABSENT}
    assert changes(copy, ALL) == []
    text = (copy.path / RESULT).read_text()
    (copy.path / RESULT).write_text(json.dumps(json.loads(text)))  # another layout
    evaluate(copy.path)
    assert resume([f"resume={copy.path}"]) == 0
    assert changes(copy, ALL) == []
    assert "has changed" not in caplog.text


@pytest.mark.parametrize("name", [name for name in ALL if name not in ABSENT])
def test_a_changed_file_is_named(name: str, copy: RunDirectory, caplog: pytest.LogCaptureFixture) -> None:
    file = copy.path / name
    whole = file.read_bytes()
    change: dict[str, Callable[[], bytes]] = {
        RESULT: lambda: whole.replace(b'"seed": 0', b'"seed": 7'),
        "metrics.csv": lambda: whole.replace(b",0.", b",1.", 1),
        "config.yaml": lambda: whole + b"# a comment\n",
    }
    file.write_bytes(change.get(name, lambda: whole + b"\0")())
    assert file.read_bytes() != whole
    assert changes(copy, ALL) == [name]
    if not name.endswith(("ckpt", "bin")):
        evaluate(copy.path)
        assert resume([f"resume={copy.path}"]) == 0
        assert caplog.text.count(f"{name} has changed since the run ended") == 2
    file.write_bytes(whole)
    assert changes(copy, ALL) == []
    file.unlink()
    if name != RESULT:
        assert changes(copy, ALL) == [name]


def test_another_runs_checkpoint_is_named(
    copy: RunDirectory, reference: References, caplog: pytest.LogCaptureFixture
) -> None:
    other = reference(compose(*TINY, *CHOSEN, "seed=1")).finished()
    shutil.copy(other / "checkpoints" / "best.ckpt", copy.checkpoints)
    evaluate(copy.path, checkpoint="last")
    assert "has changed" not in caplog.text
    assert evaluate(copy.path) == pytest.approx(evaluate(other))
    assert "checkpoints/best.ckpt has changed since the run ended" in caplog.text


def test_what_resuming_writes_is_no_change(copy: RunDirectory, caplog: pytest.LogCaptureFixture) -> None:
    assert resume([f"resume={copy.path}", "trainer.max_epochs=3"]) == 0
    assert changes(copy, ALL) == []
    copy.write_status("interrupted")  # in the middle of a longer training the old result is still there
    (copy.path / "metrics.csv").write_text("epoch,train/loss\n1,2\n")
    assert changes(copy, ALL) == []
    copy.write_status("finished")
    assert changes(copy, ALL) == ["metrics.csv"]
    assert "has changed" not in caplog.text


def test_what_evaluating_writes_is_no_change(copy: RunDirectory) -> None:
    (copy.path / "test_examples.bin").unlink()
    (copy.path / "config.yaml").write_bytes((copy.path / "config.yaml").read_bytes() + b"# more\n")
    assert changes(copy) == ["config.yaml", "test_examples.bin"]
    evaluate(copy.path, examples=copy.path / "test_examples.bin")
    assert changes(copy) == ["config.yaml"]


def test_a_result_without_checksums(copy: RunDirectory, caplog: pytest.LogCaptureFixture) -> None:
    content = copy.read_result()
    (copy.path / RESULT).write_text(json.dumps(content))
    (copy.path / "metrics.csv").write_text("")
    assert changes(copy, USED) == []
    (copy.path / RESULT).write_text(json.dumps({**content, "checksums": "none"}))
    assert changes(copy, USED) == [RESULT]
    (copy.path / RESULT).write_text("{")
    evaluate(copy.path)
    assert "result.json: not valid JSON" in caplog.text
