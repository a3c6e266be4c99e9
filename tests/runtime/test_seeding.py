"""Seeds give the numbers that torch's own seeding gives, and leave the global generators as they were."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import suppress

import numpy as np
import pytest
import torch

from abreast.runtime.seeding import STREAMS, derive, seed_everything, seeded


@pytest.fixture(autouse=True)
def generators_restored() -> Iterator[None]:
    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        yield
    random.setstate(python)
    np.random.set_state(numpy)


@pytest.mark.parametrize("seed", [0, 1, 2**32, 2**63 - 1])
def test_the_numbers_are_those_of_manual_seed(seed: int) -> None:
    seed_everything(seed)
    drawn = torch.rand(5)
    torch.manual_seed(seed)
    assert drawn.equal(torch.rand(5))


def test_the_generators_go_on_as_if_nothing_had_been_seeded() -> None:
    def draw() -> tuple[float, float, float]:
        return random.random(), np.random.rand(), torch.rand(()).item()

    seed_everything(3)
    expected = [draw(), draw()]
    seed_everything(3)
    first = draw()
    with suppress(ZeroDivisionError), seeded(7):
        assert draw() != expected[1]
        raise ZeroDivisionError
    assert [first, draw()] == expected


def test_streams_and_epochs_have_seeds_of_their_own() -> None:
    seeds = {derive(seed, stream, epoch) for seed in (0, 1) for stream in STREAMS for epoch in (0, 1)}
    assert len(seeds) == 2 * len(STREAMS) * 2
    assert all(0 <= seed < 2**63 for seed in seeds)


@pytest.mark.skipif(torch.accelerator.is_available(), reason="a device is there, which has to be seeded")
def test_nothing_is_kept_for_devices_that_are_not_there() -> None:
    queued = torch.cuda._queued_calls
    before = len(queued)
    for seed in range(3):
        seed_everything(seed)
    assert len(queued) == before
