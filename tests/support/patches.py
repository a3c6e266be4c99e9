"""Tests of what a patch alone gives: a faster start, fewer messages."""

from __future__ import annotations

import pytest

from abreast.runtime.patches import SWITCH, is_on


def needs_patch(*names: str) -> pytest.MarkDecorator:
    """Skip a test of what these patches do where one of them is off."""
    off = [name for name in names if not is_on(name)]
    return pytest.mark.skipif(bool(off), reason=f"{', '.join(off)}: off, see {SWITCH}")
