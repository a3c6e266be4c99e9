"""Two nodes train one run over a network, one of them is lost and comes back."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from support.helpers import ROOT

pytestmark = pytest.mark.long


@pytest.mark.slow
def test_a_node_is_lost_and_comes_back(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "scripts" / "two_nodes.py"), "--keep", str(tmp_path)]
    done = subprocess.run([*command, "--timeout=400"], capture_output=True, text=True, timeout=590)
    if done.returncode == 77:
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Number of nodes over time: 2, 1, 2" in done.stdout
