"""Memory that the process keeps for its next step."""

from __future__ import annotations

import ctypes
import platform

# glibc's <malloc.h>. What is freed at the heap's top goes back to the system from TRIM on, and blocks from
# MMAP on (the most that it takes) always do: then every step takes its pages anew, at microseconds a page.
TRIM, TRIM_BYTES = -1, 256 << 20
MMAP, MMAP_BYTES = -3, 32 << 20


def keep_freed_memory() -> bool:
    """Let glibc keep what is freed; whether it does. Elsewhere nothing is changed."""
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(TRIM, TRIM_BYTES) and mallopt(MMAP, MMAP_BYTES))
