"""The process of one rank ends by itself, whatever the threads of its process group do."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import NoReturn

import pytest
import torch.distributed as dist

from abreast.build.permissions import VARIABLE, Permissions
from abreast.cli import rank
from abreast.errors import DivergedError, Interrupted, RunError
from abreast.runs.directory import RunDirectory


class EndedError(Exception):
    """Stands for the end of the process."""


@pytest.mark.skipif(sys.platform != "linux", reason="a rank asks Linux to end it with its parent")
@pytest.mark.parametrize(
    ("error", "code"),
    [(None, 0), (DivergedError(3), 1), (RunError("gone"), 2), (Interrupted(15), 143)],
    ids=["finished", "diverged", "failed", "interrupted"],
)
@pytest.mark.parametrize("is_initialized", [True, False])
def test_a_rank_ends_before_the_interpreter_does(
    is_initialized: bool,
    error: BaseException | None,
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def train(config: object, directory: object, permissions: object) -> None:
        if error is not None:
            raise error

    def leave(code: int) -> NoReturn:
        raise EndedError(code)

    RunDirectory(tmp_path).write_config({"seed": 0})
    monkeypatch.setattr(rank, "train_as_rank", train)
    monkeypatch.setenv(VARIABLE, json.dumps(Permissions(()).to_json()))
    monkeypatch.setattr(rank, "DIE_WITH_PARENT", 0)  # not for this process
    monkeypatch.setattr("os._exit", leave)
    monkeypatch.setattr(dist, "is_initialized", lambda: is_initialized)
    if is_initialized:
        with pytest.raises(EndedError, match=str(code)):
            rank.main([str(tmp_path)])
    else:
        assert rank.main([str(tmp_path)]) == code
