"""What a step frees is there for the next one."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from support.patches import needs_patch

# Blocks of a size that are all freed together: more than glibc keeps at the heap's top by itself.
STEPS = """
import resource
import torch
from abreast.runtime.allocator import keep_freed_memory
assert keep_freed_memory()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def step():
    kept = [torch.zeros(1 << 18) for _ in range(8)]
step()
step()
counts = []
for _ in range(21):
    before = faults()
    step()
    counts.append(faults() - before)
print(sorted(counts)[10])  # the median: whatever else the process does takes pages now and then
"""
PAGES = 8 * (1 << 20) // 4096  # of a step's tensors


@needs_patch("allocator")
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another malloc")
def test_a_step_reuses_the_pages_of_the_step_before() -> None:
    done = subprocess.run([sys.executable, "-c", STEPS], capture_output=True, text=True, check=True)
    assert float(done.stdout) < PAGES / 100


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    from abreast.runtime import allocator as memory

    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    monkeypatch.setattr("ctypes.CDLL", lambda *_: pytest.fail("no library is to be loaded"))
    assert memory.keep_freed_memory() is False
