"""A thousand runs in one process: memory stays, and nothing is left open."""

from __future__ import annotations

import gc
import os
import resource
import shutil
import tempfile
import threading
from contextlib import redirect_stdout
from pathlib import Path

import pytest
from hydra.utils import execution_whitelist

from abreast.stacking.building import Job
from abreast.stacking.train import Options, train_stack
from abreast.training import run
from helpers import compose

pytestmark = pytest.mark.slow

TINY = (
    "data=random",
    "data.size=40",
    "data.test_size=10",
    "data.batch_size=20",
    "model.hidden=[4]",
    "trainer=cpu",
    "trainer.max_epochs=1",
    "callbacks=none",
)
WHITELIST = ["torch.*", "abreast.*", "lightning.*"]
PAGE = resource.getpagesize()
GROWTH = 8 << 20  # bytes that the process may grow by; measured: up to 1 for the stacks, 4 come and go


def memory() -> int:
    """Bytes of the process that lie in memory."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


def left() -> tuple[int, int, list[Path]]:
    """Open files, threads, temporary files."""
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    return descriptors, threading.active_count(), list(Path(tempfile.gettempdir()).iterdir())


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads Linux's /proc")
@pytest.mark.parametrize(("lanes", "warm", "rounds"), [(125, 2, 6), (1, 30, 90)], ids=["stacks", "plain"])
def test_memory_and_files(
    lanes: int, warm: int, rounds: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    cfg = compose(*TINY)

    def train(number: int) -> None:
        folder = tmp_path / str(number)
        with execution_whitelist(WHITELIST):
            if lanes == 1:
                run({**cfg, "seed": number}, folder)
            else:
                jobs = [Job({**cfg, "seed": seed}, folder / str(seed)) for seed in range(lanes)]
                outcomes = train_stack(jobs, Options(save_every=0))
                assert all(outcome.value is not None for outcome in outcomes)
        shutil.rmtree(folder)

    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):  # pytest would keep it
        for number in range(warm):
            train(number)
        before, begun = left(), memory()
        for number in range(rounds):
            train(number)
        grown, after = memory() - begun, left()
    assert after == before
    assert grown < GROWTH, f"{grown / rounds / lanes:.0f} bytes a run"
