"""Types of the fixtures that train stacks: see tests/stacking/conftest.py."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

Configs = Callable[..., list[dict[str, Any]]]  # the configurations of a sweep
Both = Callable[..., list[tuple[Path, Path]]]  # trains runs individually and as a stack: pairs of directories
Check = Callable[[Path, Path], None]  # asserts that two run directories are equal
