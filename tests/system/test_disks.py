"""Full and read-only disks: one message, nothing broken; once there is room the run goes on to the bit."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from abreast.cli.evaluate import main as evaluate
from abreast.cli.export import main as export
from abreast.data.download import download
from abreast.errors import AbreastError, DataError, DiskError
from abreast.learner import checkpoint
from abreast.learner.module import Learner
from abreast.runs.directory import RunDirectory
from abreast.training.run import resume as resume_run
from support.command_line import run_command
from support.disks import BALLAST, Disk, mounted
from support.forks import run_forked
from support.helpers import ROOT, allowed, compose
from support.references import References
from support.resuming import TINY, begin, check_equal, go_on_with

KIB = 4096
FULL = "No space left on device"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with mounted(tmp_path / "disk", KIB) as made:
        yield made


@pytest.fixture
def whole(reference: References) -> Path:
    """The run as it is where nothing goes wrong."""
    return reference(compose(*TINY)).finished()


def check_sound(disk: Disk, path: Path) -> None:
    """Nothing is half there: every checkpoint can be loaded, every row is whole, the status can be read."""
    assert not disk.parts()
    for file in path.glob("checkpoints/*"):
        checkpoint.load(file)
    for name in ("config.yaml", "status.json", "result.json", "test_examples.bin", "worst.json"):
        if (path / name).exists():
            assert (path / name).read_bytes().strip()
    if (path / "metrics.csv").exists():
        assert (path / "metrics.csv").read_text().endswith("\n")
    if (path / "status.json").exists():
        json.loads((path / "status.json").read_text())


# A run leaves about 60 KiB: these meet its status, its events, its rows, and each of its checkpoints.
@pytest.mark.parametrize("kib", [0, 4, 8, 12, 16, 20, 28, 36, 44, 52, 60, 68, 76])
def test_a_full_disk(kib: int, disk: Disk, whole: Path) -> None:
    path = disk.path / "run"
    cfg = compose(*TINY)
    RunDirectory(path).write_config(cfg)
    disk.leave(kib)
    directory = RunDirectory(path)
    try:
        with allowed():
            resume_run(cfg, directory)
    except DiskError as error:
        message = str(error)
        assert FULL in message
        assert f"resume={path}" in message
        assert "\n" not in message
        assert str(disk.path) in message.split(":")[0]
        if (path / "status.json").exists():
            status = directory.read_status()
            assert status["status"] == "interrupted"
            assert FULL in status["reason"]
    else:
        assert kib > 40
        assert directory.read_status() == {"status": "finished"}
    check_sound(disk, path)
    disk.empty()
    if not (path / "status.json").exists() or directory.read_status()["status"] != "finished":
        go_on_with(path)
    check_equal(whole, path)


@pytest.mark.parametrize("step", [0, 10, 17, 26])
@pytest.mark.parametrize("how", ["full", "read-only"])
def test_a_disk_that_fills_up_on_the_way(
    how: str, step: int, disk: Disk, reference: References, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = ("logger=none",)  # TensorBoard's open file would keep the disk from becoming read-only
    whole = reference(compose(*TINY, *chosen)).finished()
    due = Learner.should_sample

    def fill(self: Learner, number: int, last: bool) -> bool:
        if number == step:
            disk.leave(0) if how == "full" else disk.protect()
        return due(self, number, last)

    path = disk.path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(Learner, "should_sample", fill)
        with pytest.raises(DiskError) as error:
            begin(path, *chosen)
    said = FULL if how == "full" else "Read-only file system"
    assert said in str(error.value)
    # A status on a disk that takes nothing stays as it was; nobody holds the directory, so it can be resumed.
    expected = "interrupted" if how == "full" else "running"
    assert RunDirectory(path).read_status()["status"] == expected
    check_sound(disk, path)
    disk.protect(False)
    disk.empty()
    go_on_with(path)
    check_equal(whole, path)


def test_a_directory_of_somebody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may write everywhere: here the system's answer is made up."""
    path = begin(tmp_path / "run")
    opened = Path.open

    def refuse(self: Path, mode: str = "r", *arguments: Any, **more: Any) -> Any:
        if set(mode) & set("wx") and path in self.parents:
            raise PermissionError(13, "Permission denied", str(self))
        return opened(self, mode, *arguments, **more)

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DiskError, match=r"config\.yaml: cannot be written \(Permission denied\)\. Make it"):
        go_on_with(path)


def test_an_error_of_the_disk_elsewhere_is_not_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network that reads a file of its own: its author wants to see where."""

    def refuse(self: Learner, *_: Any) -> bool:
        raise PermissionError(13, "Permission denied", "/data/of/mine")

    monkeypatch.setattr(Learner, "should_sample", refuse)
    with pytest.raises(PermissionError):
        begin(tmp_path / "run")
    status = RunDirectory(tmp_path / "run").read_status()
    assert status["status"] == "failed"
    assert "/data/of/mine" in status["reason"]


@pytest.mark.parametrize("kib", [0, 8, 24])
def test_the_command(kib: int, disk: Disk) -> None:
    disk.leave(kib)
    told = run_command([sys.executable, str(ROOT / "train.py"), *TINY], disk.path)
    assert told.code == 2
    assert "Traceback" not in told.err + told.out
    [line] = told.err.strip().splitlines()
    assert FULL in line
    assert "hydra.run.dir=DIR" in line or "resume=" in line
    assert not disk.parts()


def test_the_command_goes_on(disk: Disk, whole: Path) -> None:
    disk.leave(60)
    told = run_forked([*TINY], disk.path)
    assert (told.code, "Traceback" in told.err + told.out) == (2, False)
    way_out = told.err.strip().rpartition("python train.py ")[2]
    disk.empty()
    told = run_forked([way_out], disk.path)
    assert told.code == 0, told.err
    check_equal(whole, Path(way_out.removeprefix("resume=")))


@pytest.mark.parametrize("flags", [(), ("-m", "seed=0,1")], ids=["run", "sweep"])
def test_a_read_only_working_directory(flags: tuple[str, ...], disk: Disk, tmp_path: Path) -> None:
    disk.protect()
    told = run_forked([*TINY, *flags], disk.path)
    assert (told.code, "Traceback" in told.err + told.out) == (2, False)
    [line] = told.err.strip().splitlines()
    key = "hydra.sweep.dir" if flags else "hydra.run.dir"
    assert "runs" in line
    assert "Read-only file system" in line
    assert f"{key}=DIR" in line
    told = run_forked([*TINY, *flags, f"{key}={tmp_path / 'elsewhere'}"], disk.path)
    assert told.code == 0, told.err
    assert [*(tmp_path / "elsewhere").rglob("result.json")]
    assert not [*disk.path.iterdir()]


def test_a_run_on_a_read_only_disk_can_be_evaluated(
    disk: Disk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = begin(disk.path / "run", "logger=none")
    disk.protect()
    assert evaluate([str(path)]) == 0
    with pytest.raises(AbreastError, match=r"out\.json.*Read-only file system"):
        evaluate([str(path), "--json", str(disk.path / "out.json")])
    with pytest.raises(AbreastError, match=r"--to .*export.*Read-only file system"):
        export([str(path), "--format", "torch"])
    assert export([str(path), "--format", "torch", "--to", str(tmp_path)]) == 0
    told = run_forked([f"resume={path}", "trainer.max_epochs=9"], disk.path)
    assert (told.code, "Traceback" in told.err + told.out) == (2, False)
    assert "Read-only file system" in told.err
    assert len(told.err.strip().splitlines()) == 1


def test_what_commands_write_is_whole_or_not_there(disk: Disk, capsys: pytest.CaptureFixture[str]) -> None:
    path = begin(disk.path / "run", "logger=none")
    out = disk.path / "out.json"
    out.write_text("before")
    disk.leave(0)
    with pytest.raises(AbreastError, match=rf"out\.json.*{FULL}"):
        evaluate([str(path), "--json", str(out)])
    assert out.read_text() == "before"
    for kind in ("torch", "onnx"):
        with pytest.raises(AbreastError, match=rf"model\.\w+.*{FULL}.*--to"):
            export([str(path), "--format", kind])
    assert [file.name for file in (path / "export").iterdir()] == []
    assert not disk.parts()


def test_a_download_onto_a_full_disk(disk: Disk, tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(bytes(1 << 20))
    disk.leave(100)
    with pytest.raises(DataError, match=rf"Cannot write .*a\.gz: {FULL}"):
        download("a.gz", "b6d81b360a5672d80c27430f39153e2c", [tmp_path.as_uri()], disk.path / "a.gz")
    assert [file.name for file in disk.path.iterdir()] == [BALLAST]
    disk.empty()
    download("a.gz", "b6d81b360a5672d80c27430f39153e2c", [tmp_path.as_uri()], disk.path / "a.gz")
    assert (disk.path / "a.gz").stat().st_size == 1 << 20
