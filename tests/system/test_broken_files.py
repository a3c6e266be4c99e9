"""Half-written, garbled and missing files of a run, a sweep or the data: one message, or begun anew."""

from __future__ import annotations

import gzip
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from abreast.cli.resume import main as resume
from abreast.errors import AbreastError, ConfigError, DataError, RunError
from abreast.inference.evaluate import evaluate
from abreast.learner import checkpoint
from abreast.runs.directory import RunDirectory
from abreast.runs.state import RunState, run_state
from abreast.training.run import resume as resume_run
from abreast.training.run import run
from support.forks import run_forked
from support.helpers import allowed, compose, jobs_of, same
from support.references import References
from support.resuming import TINY, check_equal

CHOSEN = ("logger=none", "trainer.max_epochs=2")

DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda whole: b"",
    "half": lambda whole: whole[: len(whole) // 2],
    "less a byte": lambda whole: whole[:-2],
    "zeros": lambda whole: bytes(len(whole)),
    "garbage": lambda whole: random.Random(0).randbytes(300),
    "text": lambda whole: b"<html>not found</html>\n",
    "another kind": lambda whole: b"[1, 2]\n",
    "a number": lambda whole: b"7\n",
    "no text": lambda whole: b"\xff\xfe\x00" + whole,
    "deep": lambda whole: b"[" * 100_000,
}
FILES = (
    "status.json",
    "metrics.csv",
    "result.json",
    "config.yaml",
    "checkpoints/last.ckpt",
    "checkpoints/best.ckpt",
)


@pytest.fixture
def kept(reference: References) -> Path:
    """A run that finished; each test damages its own copy."""
    return reference(compose(*TINY, *CHOSEN)).finished()


@pytest.fixture
def own(kept: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(kept, tmp_path / "run"))


evaluated, loaded = cache(evaluate), cache(checkpoint.load)  # of the run that nobody damages


def damage(path: Path, file: str, how: str) -> None:
    whole = (path / file).read_bytes()
    (path / file).write_bytes(DAMAGES[how](whole))


def said_once(error: AbreastError, *named: str) -> None:
    text = str(error)
    assert any(name in text for name in named), text
    assert len(text) < 1000


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("file", FILES)
def test_evaluate(file: str, how: str, own: Path, kept: Path) -> None:
    damage(own, file, how)
    before = {each: each.read_bytes() for each in own.rglob("*") if each.is_file()}
    if file in ("config.yaml", "checkpoints/best.ckpt"):
        with pytest.raises(AbreastError) as error:
            evaluate(own)
        said_once(error.value, Path(file).name)
        assert "good copy" in str(error.value) or "--checkpoint" in str(error.value)
    else:  # what it does without
        assert evaluate(own) == evaluated(kept)
    assert before == {each: each.read_bytes() for each in own.rglob("*") if each.is_file()}


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("file", FILES)
def test_resume(file: str, how: str, own: Path, reference: References) -> None:
    """To three epochs: as a run that had them from the start, or a message before anything is written."""
    whole = reference(compose(*TINY, *CHOSEN, "trainer.max_epochs=3")).finished()
    damage(own, file, how)
    before = {each: each.read_bytes() for each in own.rglob("*") if each.is_file()}
    if file in ("status.json", "result.json"):
        assert resume([f"resume={own}", "trainer.max_epochs=3"]) == 0
        check_equal(whole, own)
        return
    with pytest.raises(AbreastError) as error:
        resume([f"resume={own}", "trainer.max_epochs=3"])
    said_once(error.value, Path(file).name)
    assert "good copy" in str(error.value)
    assert before == {each: each.read_bytes() for each in own.rglob("*") if each.is_file()}
    if file == "config.yaml":
        return
    shutil.rmtree(own / "checkpoints")  # the way out that is told
    assert resume([f"resume={own}", "trainer.max_epochs=3"]) == 0
    check_equal(whole, own)


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("status", ["finished", "interrupted"])
@pytest.mark.parametrize("file", FILES)
def test_a_sweep_that_is_run_again(
    file: str, status: str, how: str, own: Path, kept: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What is broken is made again, the run's whole if need be; nothing is raised, and a warning names it."""
    directory, cfg = RunDirectory(own), RunDirectory(kept).read_config()
    directory.write_status(status)
    damage(own, file, how)
    with caplog.at_level("WARNING"):
        found = run_state(directory, cfg)
        if found == RunState.BEGUN:
            checkpoint.resume_point_or_clear(directory)
    if found == RunState.FINISHED:  # and what is broken is not needed any more
        assert status == "finished"
        assert file not in ("status.json", "result.json", "config.yaml")
        return
    assert Path(file).name in caplog.text or (file == "result.json" and status == "interrupted")
    with allowed():
        if found == RunState.NEW:
            run(cfg, own)
        else:
            resume_run(cfg, directory)
    check_equal(kept, own)
    assert directory.read_status() == {"status": "finished"}


@pytest.mark.parametrize("file", ["status.json", "checkpoints/last.ckpt"])
def test_a_sweep_from_the_command_line(file: str, tmp_path: Path) -> None:
    """One of two lanes is broken: the command that is run again mends it, and leaves the other one alone."""
    tiny = ("data=random", "data.size=100", "data.test_size=30", "model.hidden=[4]", "trainer=cpu")
    arguments = ["-m", *tiny, "trainer.max_epochs=2", "logger=none", "seed=0,1"]
    assert run_forked(arguments, tmp_path).code == 0
    [sweep] = tmp_path.glob("runs/*/*")
    broken, other = jobs_of(sweep)
    whole = Path(shutil.copytree(broken, tmp_path / "whole"))
    untouched = (other / "checkpoints" / "last.ckpt").stat().st_mtime_ns
    if file.startswith("checkpoints"):
        RunDirectory(broken).write_status("interrupted")
    damage(broken, file, "half")
    told = run_forked(arguments, tmp_path)
    assert told.code == 0, told.err
    assert "Traceback" not in told.out + told.err
    check_equal(whole, broken)
    assert (other / "checkpoints" / "last.ckpt").stat().st_mtime_ns == untouched


def test_a_directory_that_holds_another_run(own: Path, kept: Path) -> None:
    cfg = {**RunDirectory(kept).read_config(), "seed": 5}
    with pytest.raises(ConfigError, match=r"another configuration.*hydra\.sweep\.dir"):
        run_state(RunDirectory(own), cfg)
    assert (own / "result.json").exists()


# The checkpoint loader, and everything that reads a run's small files, under random damage.


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    content = bytearray(whole)
    for _ in range(draw(st.integers(0, 4))):
        where = draw(st.integers(0, len(content) - 1)) if content else 0
        match draw(st.sampled_from(["flip", "cut", "insert", "zero"])):
            case "flip" if content:
                content[where] ^= 1 << draw(st.integers(0, 7))
            case "cut":
                del content[where : where + draw(st.integers(1, 1000))]
            case "insert":
                content[where:where] = draw(st.binary(max_size=20))
            case "zero":
                content[where : where + 64] = bytes(len(content[where : where + 64]))
    return bytes(content)


FUZZ = settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
)


@FUZZ
@given(data=st.data())
def test_the_checkpoint_loader_gives_what_was_saved_or_an_error(
    data: st.DataObject, own: Path, kept: Path
) -> None:
    file = kept / "checkpoints" / "last.ckpt"
    (own / "x.ckpt").write_bytes(data.draw(damaged(file.read_bytes())))
    try:
        found = checkpoint.load(own / "x.ckpt")
    except RunError as error:
        assert "x.ckpt" in str(error)  # noqa: PT017 (either outcome is right)
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert same(found["state_dict"], loaded(file)["state_dict"])


@FUZZ
@given(data=st.data())
def test_whatever_is_in_the_small_files(data: st.DataObject, own: Path, kept: Path) -> None:
    file = data.draw(st.sampled_from(["status.json", "metrics.csv", "result.json", "config.yaml"]))
    for name in ("status.json", "metrics.csv", "result.json", "config.yaml"):
        shutil.copy(kept / name, own / name)
    (own / file).write_bytes(data.draw(damaged((kept / file).read_bytes())))
    directory = RunDirectory(own)
    readers: list[Callable[[], Any]] = [
        directory.read_status,
        directory.read_config,
        directory.read_result,
        directory.read_metrics,
        lambda: checkpoint.resume_point(directory),
        lambda: resume([f"resume={own}"]),
    ]
    for reader in readers[:-1] if file == "status.json" else readers:  # one that is finished ends at once
        with suppress(AbreastError):
            reader()


def damaged_data(whole: bytes) -> Iterator[tuple[str, bytes]]:
    packed = gzip.compress(whole, mtime=0)
    flipped = bytearray(packed)
    flipped[-6] ^= 16  # of the checksum
    yield "empty", b""
    yield "truncated", whole[:-5]
    yield "header only", whole[:8]
    yield "trailing", whole + b"\0"
    yield "wrong magic", b"\x89PNG" + whole[4:]
    yield "bit-flipped type", whole[:2] + b"\x18" + whole[3:]
    yield "wrong length", whole[:7] + b"\xff" + whole[8:]
    yield "gz truncated", packed[:-10]
    yield "gz corrupt", bytes(flipped)
    yield "gz of nothing", gzip.compress(b"")
    yield "a page", b"<!DOCTYPE html><title>404</title>"


KINDS = [kind for kind, _ in damaged_data(bytes(20))]


@pytest.mark.parametrize("file", ["train_images", "test_labels"])
@pytest.mark.parametrize("kind", KINDS)
def test_data(kind: str, file: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    arrays = {
        "train_images": rng.integers(0, 256, (30, 4, 4), np.uint8),
        "train_labels": np.arange(30, dtype=np.uint8) % 3,
        "test_images": rng.integers(0, 256, (9, 4, 4), np.uint8),
        "test_labels": np.arange(9, dtype=np.uint8) % 3,
    }
    for name, array in arrays.items():
        sizes = b"".join(n.to_bytes(4, "big") for n in array.shape)
        whole = bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()
        (tmp_path / name).write_bytes(dict(damaged_data(whole))[kind] if name == file else whole)
    given = [f"data.{name}={tmp_path / name}" for name in arrays]
    cfg = compose("data=idx", *given, "trainer=cpu", "logger=none", "callbacks=none", "model.hidden=[4]")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with allowed(), pytest.raises(DataError) as error:
        run(cfg, tmp_path / "runs" / "x")
    text = str(error.value)
    assert str(tmp_path / file) in text
    assert "\n" not in text
    status = RunDirectory(tmp_path / "runs" / "x").read_status()
    assert status["status"] == "failed"
    assert text in status["reason"]
    assert before == {path: path.read_bytes() for path in before}
