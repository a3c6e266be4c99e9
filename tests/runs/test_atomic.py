"""Files that are written completely or not at all, and what may be in their place."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from abreast.cli.resume import main as resume
from abreast.cli.tag import main as tag
from abreast.errors import DiskError
from abreast.runs.atomic import write_atomically
from abreast.runs.directory import RunDirectory
from support.helpers import compose
from support.references import References
from support.resuming import TINY


def test_a_file_is_on_the_disk_before_it_takes_the_place_of_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a machine that stops in between may leave an empty one."""
    steps: list[str] = []

    def sync(fd: int) -> None:
        steps.append(f"{os.fstat(fd).st_size} bytes on the disk, the old one says {path.read_text()}")

    path = tmp_path / "x"
    path.write_text("old")
    monkeypatch.setattr(os, "fsync", sync)
    write_atomically(path, b"newer")
    assert steps == ["5 bytes on the disk, the old one says old"]
    assert path.read_text() == "newer"


def make_socket(path: Path) -> None:
    before = Path.cwd()
    os.chdir(path.parent)  # a socket's path is short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path.name)
    os.chdir(before)


def in_place_of_its_folder(make: Callable[[Path], None]) -> Callable[[Path], None]:
    def made(path: Path) -> None:
        path.parent.rmdir()
        make(path.parent)

    return made


IN_THE_WAY: dict[str, Callable[[Path], None]] = {
    "a directory": Path.mkdir,
    "a file in place of its folder": in_place_of_its_folder(Path.touch),
    "a link in a circle": in_place_of_its_folder(lambda path: path.symlink_to(path.name)),
    "a socket in place of its folder": in_place_of_its_folder(make_socket),
}


@pytest.mark.parametrize("name", IN_THE_WAY)
def test_what_is_in_the_way_is_one_line(name: str, tmp_path: Path) -> None:
    path = tmp_path / "folder" / "x"
    path.parent.mkdir()
    IN_THE_WAY[name](path)
    with pytest.raises(DiskError, match=r"folder/x: cannot be written \(.*\)\. Move away what is") as error:
        write_atomically(path, b"x")
    assert isinstance(error.value, OSError)  # for those who can do without the file


def test_of_a_run(reference: References, tmp_path: Path) -> None:
    """Each was a traceback."""
    run = reference(compose(*TINY, "logger=none", "trainer.max_epochs=1")).copy_to(tmp_path / "run")
    (run / "tags.json").mkdir()
    with pytest.raises(DiskError, match=r"tags\.json: cannot be written"):
        tag([str(run), "x"])
    (run / ".x.part").mkdir()
    assert resume([f"resume={run}", "trainer.max_epochs=2"]) == 0
    for path in (run / "checkpoints").iterdir():
        path.unlink()
    (run / "checkpoints").rmdir()
    make_socket(run / "checkpoints")
    with pytest.raises(DiskError, match=r"checkpoints/.*: cannot be written"):
        resume([f"resume={run}", "trainer.max_epochs=3"])
    assert json.loads((run / "status.json").read_text())["status"] == "interrupted"
    assert RunDirectory(run).read_config()
