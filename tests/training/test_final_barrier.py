"""Ranks leave a run together, and none waits for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from itertools import repeat

import pytest
import torch.distributed as dist

from abreast.errors import DivergedError, Interrupted
from abreast.training import final_barrier


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The store of the run's ranks, which are threads here: each is at its first barrier."""
    server = dist.TCPStore("localhost", 0, is_master=True, wait_for_workers=False)  # type: ignore[attr-defined]
    monkeypatch.setenv("MASTER_ADDR", "localhost")
    monkeypatch.setenv("MASTER_PORT", str(server.port))
    monkeypatch.setattr(final_barrier, "_barriers", repeat(0))
    yield
    del server


@pytest.mark.parametrize("end", [None, Interrupted(15), DivergedError(3)])
def test_the_first_waits_for_the_last(end: BaseException | None, store: None) -> None:
    left: list[str] = []

    def rank(name: str, work: Callable[[], object]) -> None:
        try:
            with final_barrier.final_barrier(2):
                work()
                if end is not None:
                    raise end
        except (Interrupted, DivergedError):
            assert end is not None
        left.append(name)

    arrive = threading.Event()
    ranks = [
        threading.Thread(target=rank, args=("early", lambda: None)),
        threading.Thread(target=rank, args=("late", arrive.wait)),
    ]
    for thread in ranks:
        thread.start()
    time.sleep(0.1)
    assert left == []
    arrive.set()
    for thread in ranks:
        thread.join(timeout=60)
    assert sorted(left) == ["early", "late"]


def test_what_fails_in_one_rank_does_not_wait(store: None) -> None:
    with pytest.raises(OSError, match="disk"), final_barrier.final_barrier(2):
        raise OSError("disk")


def test_a_rank_that_does_not_come_is_left_behind(store: None) -> None:
    assert final_barrier.wait(2, limit=0.1) is False


def test_a_store_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASTER_ADDR", "localhost")
    monkeypatch.setenv("MASTER_PORT", "1")
    began = time.monotonic()  # the process that started the ranks was killed: they end at once
    assert final_barrier.wait(2, limit=60) is False
    assert time.monotonic() - began < 20
