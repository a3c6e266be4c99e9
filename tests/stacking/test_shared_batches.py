"""Lanes of one seed share their mini-batches: one product of the first layer, equal within rounding."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from abreast.learner.checkpoint import load
from abreast.runs.directory import RunDirectory
from abreast.stacking.build import Job
from abreast.stacking.run import Options, train_stack
from abreast.stacking.shared_batches import equal_neighbours, repeat_by_lane
from support.helpers import allowed

Configs = Callable[..., list[dict[str, Any]]]
Both = Callable[..., list[tuple[Path, Path]]]

# Three learning rates and losses to a seed, not in the seeds' order.
EACH = [
    (f"seed={seed}", f"optim.lr={lr}", f"loss={loss}")
    for lr, loss in ((0.01, "mse"), (0.03, "hinge"), (0.1, "mse"))
    for seed in (1, 0)
]


def test_equal_neighbours() -> None:
    assert equal_neighbours([3, 3, 1, 2, 2]) == [slice(0, 2), slice(2, 3), slice(3, 5)]
    assert equal_neighbours([7]) == [slice(0, 1)]
    values = torch.arange(6).view(3, 2)
    expected = torch.tensor([[0, 1], [0, 1], [2, 3], [4, 5], [4, 5]])
    assert repeat_by_lane(values, equal_neighbours([3, 3, 1, 2, 2])).equal(expected)


@pytest.mark.parametrize(
    "common",
    [
        (),  # 20 * 12 weights of a lane lie without gaps
        ("data.features=7", "model.hidden=[5]"),  # 35 do not: shared rows, each lane's own product
        ("model.norm=batch", "model.hidden=[16]"),
        ("model.dropout=0.3", "model.bias=false"),
        ("model.hidden=[]",),
    ],
    ids=" ".join,
)
def test_equal_within_rounding(common: tuple[str, ...], configs: Configs, both: Both) -> None:
    """Float32 rounds each of 20 summands by 6e-8 of the sum; 27 steps with momentum 0.9 add that up.

    1e-5 is a hundred times one rounding of the weights, which are about 0.3; an order of rows or weights of a
    neighbour taken by mistake would differ in the first digit.
    """
    pairs = both(configs(("optim=momentum", *common), *EACH), shared_batches=True, chunk_lanes=5)
    for lane, plain in pairs:
        one, other = (load(run / "checkpoints" / "last.ckpt")["state_dict"] for run in (lane, plain))
        assert one.keys() == other.keys()
        for key, value in one.items():
            torch.testing.assert_close(value, other[key], rtol=1e-4, atol=1e-5)
        rows, others = (RunDirectory(run).read_metrics() for run in (lane, plain))
        for row, reference in zip(rows, others, strict=True):
            assert row["train/loss"] == pytest.approx(reference["train/loss"], rel=1e-5)
        assert RunDirectory(lane).read_status() == {"status": "finished"}
    first, second = (load(pairs[n][0] / "checkpoints" / "last.ckpt")["state_dict"] for n in (0, 2))
    assert not any(first[key].equal(second[key]) for key in first if key.endswith("weight"))


class Gathers(TorchDispatchMode):
    """Counts the values that are gathered from uint8 or float inputs of 20 features, and the products."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = 0
        self.products: list[tuple[int, ...]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        name = str(func)
        if name.startswith("aten.index_select") and args[0].ndim == 2 and args[0].shape[1] == 20:
            self.rows += len(found)
        if name in ("aten.mm.default", "aten.mm.out") and 20 in (*args[0].shape, *args[1].shape):
            self.products.append((*args[0].shape, args[1].shape[1]))
        return found


@pytest.mark.parametrize("shared", [True, False])
def test_rows_are_gathered_once_a_seed(shared: bool, configs: Configs, tmp_path: Path) -> None:
    """Counted: 135 rows an epoch for each of two seeds instead of for each of six lanes."""
    jobs = configs(("optim=momentum", "trainer.max_epochs=1", "data.batch_size=45"), *EACH)
    whitelist = allowed()
    with whitelist, Gathers() as seen:
        options = Options(shared_batches=shared)
        train_stack([Job(cfg, tmp_path / str(n)) for n, cfg in enumerate(jobs)], options)
    split = 150  # the data are split into training and validation examples once
    assert seen.rows - split == 135 * (2 if shared else 6)
    if shared:  # forward and backward for two seeds, three lanes of 12 outputs each, in three steps
        products = [each for each in seen.products if 36 in each]  # the others label the data
        assert products == [(45, 20, 36), (45, 20, 36), (36, 45, 20), (36, 45, 20)] * 3
