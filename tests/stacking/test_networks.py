"""Every network option in a stack: bitwise its individual run, by the batched path."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from abreast.stacking import chunk
from support.networks import NETWORKS, configuration

Both = Callable[..., list[tuple[Path, Path]]]
Check = Callable[[Path, Path], None]


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network(name: str, both: Both, check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(chunk, "VmappedNet")  # nothing falls back to it
    lanes = ((), ("seed=1", "optim=momentum"), ("seed=2", "loss=mse"))
    for lane, alone in both([configuration(name, *more) for more in lanes]):
        check(lane, alone)
