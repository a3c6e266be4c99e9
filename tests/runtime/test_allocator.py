"""What a step frees is there for the next one."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

# Blocks of a size that are all freed together: more than glibc keeps at the heap's top by itself.
STEPS = """
import resource, sys
import torch
from abreast.runtime.allocator import keep_freed_memory
if sys.argv[1] == "kept":
    assert keep_freed_memory()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def step():
    kept = [torch.zeros(1 << 18) for _ in range(8)]
step()
step()
before = faults()
for _ in range(20):
    step()
print((faults() - before) / 20)
"""


def faults(how: str) -> float:
    """Pages that a step takes from the system."""
    done = subprocess.run([sys.executable, "-c", STEPS, how], capture_output=True, text=True, check=True)
    return float(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another malloc")
def test_a_step_takes_no_new_pages() -> None:
    assert faults("given back") > 1000
    assert faults("kept") < 10


def test_elsewhere_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    from abreast.runtime import allocator as memory

    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    monkeypatch.setattr("ctypes.CDLL", lambda *_: pytest.fail("no library is to be asked"))
    assert memory.keep_freed_memory() is False
