"""Locks of directories: who holds one, who looks, and what is left of a killed process."""

from __future__ import annotations

import errno
import fcntl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from abreast.runs.files import SWEEP
from abreast.runs.in_use import sweep_in_use
from abreast.runtime.directory_lock import (
    InUseError,
    as_worker,
    is_used,
    leave,
    lock,
    locked,
    share,
    use,
    used,
)
from support.helpers import program_environment

SETUP = """
import resource, sys
from pathlib import Path
from abreast.runtime.directory_lock import is_used, lock, use
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[2]),) * 2)
sweep = Path(sys.argv[1])
"""
HOLDS = f"""{SETUP}
assert use(sweep)
assert not any(is_used(lane) for lane in sweep.iterdir())
print("holds", flush=True)
sys.stdin.readline()
"""


@contextmanager
def held_elsewhere(sweep: Path, files: int = 64) -> Iterator[subprocess.Popen[str]]:
    """Another process, which may open so many files, holds the directory and has looked at each inside."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(sweep), str(files)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=program_environment(),
    )
    assert process.stdout
    assert process.stdin
    with process:
        assert process.stdout.readline() == "holds\n"
        yield process


def test_another_process_with_many_lanes_and_its_end_by_force(tmp_path: Path) -> None:
    for lane in range(500):
        (tmp_path / str(lane)).mkdir()
    assert not is_used(tmp_path)
    with held_elsewhere(tmp_path) as process:
        assert is_used(tmp_path)
        assert not is_used(tmp_path / "3")
        assert lock(tmp_path) is None
        with pytest.raises(InUseError, match="another process is using it"), locked(tmp_path):
            pass
        process.kill()
        process.wait()
        assert not is_used(tmp_path)


@pytest.mark.long
def test_ten_thousand_lanes(tmp_path: Path) -> None:
    """A lock for each lane needs as many open files; a sweep's own lock keeps out who resumes any of them."""
    lanes = [tmp_path / f"lane {number}" for number in range(10_000)]
    for lane in lanes:
        lane.mkdir()
    (tmp_path / SWEEP).touch()
    each = f"{SETUP}held = [lock(lane) for lane in sweep.iterdir()]"
    refused = subprocess.run(
        [sys.executable, "-c", each, str(tmp_path), "1024"], capture_output=True, text=True
    )
    assert "Too many open files" in refused.stderr  # what would be without
    with held_elsewhere(tmp_path, 1024) as process:
        assert is_used(tmp_path)
        assert all(sweep_in_use(lane) == tmp_path for lane in lanes[::400])
        process.kill()
        process.wait()
        assert not any(sweep_in_use(lane) for lane in lanes)


def test_using_again_in_this_process(tmp_path: Path) -> None:
    with used(tmp_path / "run"), used(tmp_path / "run"):
        assert lock(tmp_path / "run") is None
        assert not is_used(tmp_path / "run")  # not by others
        assert not use(tmp_path / "run")
    with locked(tmp_path / "run"), pytest.raises(InUseError), used(tmp_path / "run"):
        pass
    assert not is_used(tmp_path / "run")
    assert not is_used(tmp_path / "none")


def test_a_worker_outlives_its_sweep(tmp_path: Path) -> None:
    assert use(tmp_path)
    share(tmp_path)
    with as_worker(tmp_path):
        leave(tmp_path)  # as if it were killed
        assert is_used(tmp_path)
        assert not use(tmp_path)
    assert use(tmp_path)
    leave(tmp_path)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EBADF, errno.ENOSYS, errno.EOPNOTSUPP])
def test_where_nothing_can_be_locked_everything_works(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on some network file systems: there the directory counted as used by others, for ever."""

    def refuse(*_: Any) -> None:
        raise OSError(number, "no locks here")

    monkeypatch.setattr(fcntl, "flock", refuse)
    assert not is_used(tmp_path)
    with used(tmp_path), locked(tmp_path), as_worker(tmp_path):
        share(tmp_path)
