"""A stack that ends with a full disk ends the sweep: its runs are not tried again one by one."""

from __future__ import annotations

import errno
from types import SimpleNamespace
from typing import Any

import pytest

from hydra_plugins.abreast_launcher._core import Sweep
from hydra_plugins.abreast_launcher._stacks import TrainedStack
from hydra_plugins.abreast_launcher.config import AbreastLauncherConf

JOB: Any = SimpleNamespace(directory="run")


def end(error: Exception) -> dict[str, list[Any]]:
    hydra: Any = SimpleNamespace(configure_log=lambda: None)
    sweep = Sweep(AbreastLauncherConf(), hydra, [])
    return dict(sweep._end_stack(TrainedStack([JOB], [JOB], error, ())))


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EDQUOT])
def test_a_disk_that_cannot_be_written_ends_the_sweep(code: int) -> None:
    with pytest.raises(OSError, match="runs/1"):
        end(OSError(code, "what the system says", "runs/1"))


def test_what_one_process_lacks_does_not() -> None:
    assert end(MemoryError()) == {"their stack failed as a whole": [JOB]}
