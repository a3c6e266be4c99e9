"""Freed memory that the process keeps for its next step."""

from __future__ import annotations

import ctypes
import platform

from abreast.runtime.patches import is_on

# M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of glibc's <malloc.h>. By default freed memory at the top of the heap
# returns to the system above 128 KiB, and so does every block above the mmap threshold (32 MiB is the highest
# that glibc takes). The next step then takes its pages again, at a microsecond or so a page.
TRIM_THRESHOLD, TRIM_BYTES = -1, 256 << 20
MMAP_THRESHOLD, MMAP_BYTES = -3, 32 << 20


def keep_freed_memory() -> bool:
    """Let glibc keep what is freed; whether it does. With another C library nothing is changed."""
    if not is_on("allocator") or platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(TRIM_THRESHOLD, TRIM_BYTES) and mallopt(MMAP_THRESHOLD, MMAP_BYTES))
