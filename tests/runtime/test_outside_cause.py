"""What is a fault of the run's own, and what came from outside."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
import torch

from abreast.errors import ConfigError, DataError, DivergedError, LostProcessError
from abreast.runtime.outside_cause import outside_cause


def raised_from(error: Exception, cause: BaseException) -> Exception:
    error.__cause__ = cause
    return error


OUTSIDE: dict[str, BaseException] = {
    **{name: OSError(getattr(errno, name), name) for name in ("EPIPE", "EFBIG", "EIO", "ENOSPC", "EDQUOT")},
    **{name: OSError(getattr(errno, name), name) for name in ("EROFS", "ESTALE", "EMFILE", "ECONNRESET")},
    "memory": MemoryError(),
    "memory of a GPU": torch.cuda.OutOfMemoryError("CUDA out of memory"),
    "memory, by torch": RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to ..."),
    "threads": RuntimeError("can't start new thread"),
    "a lost process": LostProcessError("a rank was killed by SIGKILL"),
    "raised from it": raised_from(DataError("cannot be read"), OSError(errno.EIO, "Input/output error")),
}
OWN: dict[str, BaseException] = {
    "value": ValueError("wrong"),
    "config": ConfigError("wrong"),
    "diverged": DivergedError(3),
    "no such file": FileNotFoundError(errno.ENOENT, "No such file", "/data/of/mine"),
    "no permission": PermissionError(errno.EACCES, "Permission denied", "/data/of/mine"),
    "shapes": RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
}


@pytest.mark.parametrize("name", OUTSIDE)
def test_outside(name: str, tmp_path: Path) -> None:
    cause = outside_cause(OUTSIDE[name], tmp_path)
    assert cause is not None
    assert "\n" not in cause


@pytest.mark.parametrize("name", OWN)
def test_own(name: str, tmp_path: Path) -> None:
    assert outside_cause(OWN[name], tmp_path) is None
    assert outside_cause(OWN[name]) is None


@pytest.mark.parametrize("kind", [FileNotFoundError, PermissionError, NotADirectoryError, IsADirectoryError])
def test_the_files_of_the_run_are_not_its_fault(kind: type[OSError], tmp_path: Path) -> None:
    error = kind(1, "no", str(tmp_path / "run" / "metrics.csv"))
    assert outside_cause(error, tmp_path) is not None
    assert outside_cause(error, tmp_path / "run") is not None
    (tmp_path / "other").mkdir()
    assert outside_cause(error, tmp_path / "other") is None


def test_removed_directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    error = FileNotFoundError(errno.ENOENT, "No such file or directory")
    assert outside_cause(error, tmp_path) is None
    assert outside_cause(error, tmp_path / "removed") is not None
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    (tmp_path / "cwd").rmdir()
    assert outside_cause(error, tmp_path) is not None
