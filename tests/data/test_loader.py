"""Mini-batches in memory: their order, their rows, their blocks."""

from __future__ import annotations

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from abreast.data.loader import EvalLoader, TrainLoader, batches, epoch_order
from abreast.data.source import Split

SPLIT = Split(torch.arange(46, dtype=torch.uint8).reshape(23, 2), torch.arange(23))


def labels(loader: TrainLoader, epoch: int = 0) -> list[list[int]]:
    """The targets of each mini-batch of an epoch, blocks unpacked."""
    loader.set_epoch(epoch)
    return [targets.tolist() for item in loader for _, targets in batches(item)]


def test_an_epochs_order_is_a_permutation_of_seed_and_epoch_alone() -> None:
    torch.manual_seed(1)
    state = torch.random.get_rng_state()
    orders = {(seed, epoch): epoch_order(100, seed, epoch) for seed in range(4) for epoch in range(4)}
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(order.sort().values.equal(torch.arange(100)) for order in orders.values())
    assert len({tuple(order.tolist()) for order in orders.values()}) == 16
    torch.manual_seed(2)
    assert all(epoch_order(100, *key).equal(order) for key, order in orders.items())


def test_rows_equal_those_of_torchs_dataloader() -> None:
    loader = TrainLoader(SPLIT, batch_size=5, seed=3)
    loader.set_epoch(2)
    dataset = TensorDataset(SPLIT.inputs, SPLIT.targets)
    theirs = DataLoader(dataset, batch_size=5, sampler=epoch_order(23, 3, 2).tolist())
    pairs = list(zip(loader, theirs, strict=True))
    assert len(pairs) == 5
    for ours, other in pairs:
        assert all(torch.equal(a, b) for a, b in zip(ours, other, strict=True))


@pytest.mark.parametrize("steps", [1, 2, 3, 5, 50])
def test_blocks_hold_the_same_batches(steps: int) -> None:
    loader = TrainLoader(SPLIT, batch_size=5, seed=0, steps=steps)
    assert labels(loader, epoch=1) == labels(TrainLoader(SPLIT, batch_size=5, seed=0), epoch=1)
    assert len(loader) == len(list(loader))
    assert sum(map(len, labels(loader))) == 23


def test_a_limit_counts_mini_batches() -> None:
    whole = labels(TrainLoader(SPLIT, batch_size=5, seed=0))
    for steps in (1, 2, 4):
        assert labels(TrainLoader(SPLIT, batch_size=5, seed=0, steps=steps, limit=3)) == whole[:3]


@pytest.mark.parametrize("world", [2, 3])
@pytest.mark.parametrize("steps", [1, 2])
def test_ranks_share_each_batch(world: int, steps: int) -> None:
    alone = labels(TrainLoader(SPLIT, batch_size=6, seed=0))
    shares = [
        labels(TrainLoader(SPLIT, batch_size=6, seed=0, steps=steps, rank=rank, world=world))
        for rank in range(world)
    ]
    for number, batch in enumerate(alone):
        together = [label for share in shares for label in share[number]]
        assert sorted(together) == sorted(batch)


@pytest.mark.parametrize("steps", [1, 2])
@pytest.mark.parametrize("done", [0, 2, 4])
def test_an_epoch_is_taken_up_where_it_was_left(steps: int, done: int) -> None:
    first = TrainLoader(SPLIT, batch_size=4, seed=5, steps=steps)
    whole = labels(first, epoch=1)
    first.set_epoch(1)
    items = iter(first)
    for _ in range(done // steps):
        next(items)
    second = TrainLoader(SPLIT, batch_size=4, seed=5, steps=steps)
    second.load_state_dict(first.state_dict())
    assert labels(second, epoch=1) == whole[done:]
    assert labels(second, epoch=1) == whole  # only once


def test_a_finished_epoch_leaves_no_place_to_take_up() -> None:
    loader = TrainLoader(SPLIT, batch_size=4, seed=5)
    labels(loader)
    assert loader.state_dict() == {"batches_done": 0}


@pytest.mark.parametrize("block", [False, True])
@pytest.mark.parametrize("world", [1, 2, 4])
def test_evaluation_sees_each_row_once_in_its_order(world: int, block: bool) -> None:
    seen: list[int] = []
    for rank in range(world):
        loader = EvalLoader(SPLIT, batch_size=4, as_block=block, rank=rank, world=world)
        items = list(loader)
        assert len(items) == len(loader)
        parts = [targets.tolist() for item in items for _, targets in batches(item)]
        assert all(len(part) == 4 for part in parts[:-1])
        seen += [label for part in parts for label in part]
    assert seen == list(range(23))


@pytest.mark.parametrize("block", [False, True])
def test_a_limit_of_evaluation_counts_batches(block: bool) -> None:
    loader = EvalLoader(SPLIT, batch_size=4, as_block=block, limit=2)
    assert [len(targets) for item in loader for _, targets in batches(item)] == [4, 4]
