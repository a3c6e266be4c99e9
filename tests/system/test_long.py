"""A thousand runs in one process: memory stays, and nothing is left open."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from support.helpers import program_environment

pytestmark = [pytest.mark.slow, pytest.mark.long]

GROWTH = 8 << 20  # bytes; measured: 1 MiB for the stacks, for plain runs 3 that come and go


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads Linux's /proc")
@pytest.mark.parametrize(("lanes", "warm", "rounds"), [(125, 2, 6), (1, 30, 120)], ids=["stacks", "plain"])
def test_memory_and_files(lanes: int, warm: int, rounds: int, tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    counts = map(str, (lanes, warm, rounds))
    done = subprocess.run(
        [sys.executable, "-m", "support.longrun", *counts, str(tmp_path / "run")],
        capture_output=True,
        text=True,
        env=program_environment(TMPDIR=str(tmp_path / "tmp")),
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    before, after = json.loads(done.stdout.splitlines()[-1])
    grown = after.pop("memory") - before.pop("memory")
    assert after == before
    assert grown < GROWTH, f"{grown / rounds / lanes:.0f} bytes a run"
