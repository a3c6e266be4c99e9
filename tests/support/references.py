"""Runs that several tests compare with: trained individually, once per session, shared by its processes."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from abreast.runs.directory import RunDirectory
from support.helpers import allowed


@dataclass(frozen=True)
class Reference:
    """A run directory that nobody changes, and the error its training ended with."""

    path: Path
    error: str | None = None
    message: str | None = None

    def finished(self) -> Path:
        """The run directory of a run that finished."""
        assert self.error is None, f"{self.error}: {self.message}"
        assert RunDirectory(self.path).read_status() == {"status": "finished"}
        return self.path

    def copy_to(self, path: Path) -> Path:
        """A copy to change."""
        return Path(shutil.copytree(self.finished(), path))


class References:
    """Trains each configuration once, under the session's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, config: dict[str, Any]) -> Reference:
        """The run of this configuration; call it before anything is patched."""
        from abreast.training.run import run

        key = hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:16]
        path, end = self.folder / key / "run", self.folder / key / "end.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.parent / "lock"):
            if not end.exists():
                error = None
                with allowed():
                    try:
                        run(config, path)
                    except Exception as caught:
                        error = caught
                end.write_text(json.dumps([error and type(error).__name__, error and str(error)]))
        return Reference(path, *json.loads(end.read_text()))


def session_folder(tmp_path_factory: pytest.TempPathFactory, name: str) -> Path:
    """A folder that all processes of the session share."""
    base = tmp_path_factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name


def once(folder: Path, make: Callable[[Path], object]) -> Path:
    """Let the first process of the session that comes here make the folder; the others find it."""
    with FileLock(f"{folder}.lock"):
        if not Path(f"{folder}.made").exists():
            make(folder)
            Path(f"{folder}.made").touch()
    return folder


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> References:
    """Train a configuration individually, once per session."""
    return References(session_folder(tmp_path_factory, "references"))
