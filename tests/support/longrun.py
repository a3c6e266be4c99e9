"""Trains many runs in one process; prints what is left: `python -m support.longrun LANES WARM ROUNDS FOLDER`.

A program of its own: pytest keeps every log record of a test.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import shutil
import sys
import tempfile
import threading
from contextlib import redirect_stdout
from pathlib import Path

from abreast.stacking.build import Job
from abreast.stacking.options import Options
from abreast.stacking.run import train_stack
from abreast.training.run import run
from support.helpers import allowed, compose

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


def train(folder: Path, lanes: int) -> None:
    """A stack of that many lanes, or one plain run; its directory is removed."""
    with allowed():
        if lanes == 1:
            run(CONFIG, folder)
        else:
            jobs = [Job({**CONFIG, "seed": seed}, folder / str(seed)) for seed in range(lanes)]
            outcomes = train_stack(jobs, Options(save_every=0))
            assert all(outcome.value is not None for outcome in outcomes)
    shutil.rmtree(folder)


def left() -> dict[str, int]:
    """Bytes in memory, open files, threads, temporary files."""
    gc.collect()
    return {
        "memory": int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize(),
        "files": len(list(Path("/proc/self/fd").iterdir())),
        "threads": threading.active_count(),
        "temporary": len(list(Path(tempfile.gettempdir()).iterdir())),
    }


if __name__ == "__main__":
    lanes, warm, rounds = map(int, sys.argv[1:4])
    folder = Path(sys.argv[4])
    CONFIG = compose(*TINY)
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
        for _ in range(warm):
            train(folder, lanes)
        before = left()
        for _ in range(rounds):
            train(folder, lanes)
        after = left()
    print(json.dumps([before, after]))
