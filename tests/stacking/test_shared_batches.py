"""Lanes of one seed share their mini-batches and one product of the first layer: bitwise the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from abreast.runtime.matmul_precision import is_bf16, matmul_precision
from abreast.stacking import shared_batches
from abreast.stacking.build import Job
from abreast.stacking.grouping import equal_neighbours
from abreast.stacking.options import Options
from abreast.stacking.parameters import StackedState
from abreast.stacking.run import train_stack
from abreast.stacking.sequential import StackedSequential
from abreast.stacking.shared_batches import (
    WideProducts,
    by_lane,
    group_of_lane,
    product,
    share_first_product,
    side_by_side,
    wide_products,
)
from support.helpers import allowed
from support.stacks import Both, Check, Configs

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
    groups = group_of_lane(equal_neighbours([3, 3, 1, 2, 2]), values.device)
    assert values.index_select(0, groups).equal(expected)


COMMON = [
    (),  # 20 * 12 weights of a lane lie without gaps
    ("data.features=7", "model.hidden=[5]"),  # 35 do not: shared rows, each lane's own product
    ("model.norm=batch", "model.hidden=[16]"),
    ("model.dropout=0.3", "model.bias=false"),
    ("model.hidden=[]",),
    ("data.features=16", "model.hidden=[1]"),  # products that batches round differently
]


@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize("common", COMMON, ids=" ".join)
def test_bitwise_as_individual_runs(
    common: tuple[str, ...],
    narrow: bool,
    configs: Configs,
    both: Both,
    check: Check,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By the products that are chosen, and without wide ones."""
    if narrow:
        monkeypatch.setattr(shared_batches, "wide_products", lambda *_: WideProducts(False, False))
    jobs = configs(("optim=momentum", *common), *EACH)
    for lane, plain in both(jobs, shared_batches=True, chunk_lanes=5):
        check(lane, plain)


@pytest.mark.parametrize("has_bias", [False, True])
@pytest.mark.parametrize("sizes", [(64, 784), (256, 784), (32, 64), (10, 20), (1, 16), (5, 1)], ids=str)
def test_products_are_wide_where_that_is_exact(sizes: tuple[int, int], has_bias: bool) -> None:
    """On other values than the comparison had; 784 inputs are where wide products may round differently."""
    lanes, examples = 4, 32
    exact = wide_products(lanes, examples, sizes, has_bias, torch.get_num_threads())
    x, weight = torch.rand(examples, sizes[1]), torch.rand(lanes, *sizes)
    grad = torch.rand(lanes, examples, sizes[0])
    bias = torch.rand(lanes, sizes[0]) if has_bias else None
    wide = by_lane(product(x, weight.flatten(0, 1), None if bias is None else bias.flatten()), lanes)
    gradients = torch.mm(side_by_side(grad).t(), x).view_as(weight)
    for lane in range(lanes):
        alone = product(x, weight[lane], None if bias is None else bias[lane])
        torch.testing.assert_close(wide[lane], alone, rtol=1e-5, atol=1e-5)
        assert wide[lane].equal(alone) or not exact.output
        assert gradients[lane].equal(grad[lane].t() @ x) or not exact.weight_grad


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
        if name in ("aten.mm.default", "aten.mm.out", "aten.addmm.default"):
            one, other = args[-2:]
            if 20 in (*one.shape, *other.shape):
                self.products.append((*one.shape, other.shape[1]))
        return found


@pytest.mark.parametrize("shared", [True, False])
def test_rows_are_gathered_once_a_seed(shared: bool, configs: Configs, tmp_path: Path) -> None:
    """Counted: 135 rows an epoch for each of two seeds instead of for each of six lanes."""
    jobs = configs(("optim=momentum", "trainer.max_epochs=1", "data.batch_size=45"), *EACH)
    wide_products(3, 45, (12, 20), True, torch.get_num_threads())  # tried before anything is counted
    whitelist = allowed()
    with whitelist, Gathers() as seen:
        options = Options(shared_batches=shared)
        train_stack([Job(cfg, tmp_path / str(n)) for n, cfg in enumerate(jobs)], options)
    split = 150  # the data are split into training and validation examples once
    assert seen.rows - split == 135 * (2 if shared else 6)
    if shared:  # forward and backward for two seeds, three lanes of 12 outputs each, in three steps
        products = [each for each in seen.products if 36 in each]  # the others label the data
        assert products == [(45, 20, 36), (45, 20, 36), (36, 45, 20), (36, 45, 20)] * 3


def test_large_products_in_bf16_are_as_close_as_bf16_is() -> None:
    lanes, groups = 3, [slice(0, 2), slice(2, 3)]
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 128, 100, generator=generator)
    grad = torch.randn(lanes, 128, 128, generator=generator)
    results = []
    for value in (None, "bf16"):
        torch.manual_seed(0)
        nets = [nn.Sequential(nn.Linear(100, 128)) for _ in range(lanes)]
        state = StackedState(nets)
        net = StackedSequential(nets, state, [torch.Generator()] * lanes, (100,))
        assert share_first_product(net, groups)
        with torch.no_grad(), matmul_precision(value):  # type: ignore[arg-type]
            out = net.forward(x).clone()
            net.backward(grad.clone())
        results.append([out, *state.gradients.values()])
    for exact, coarse in zip(*results, strict=True):
        difference = (coarse - exact).abs().max() / exact.abs().max()
        assert difference < 0.01
    with matmul_precision("bf16"):
        is_coarse = is_bf16(x.device)
    if is_coarse:
        assert not torch.equal(*(result[0] for result in results))
        assert torch.equal(results[1][1], results[1][1].bfloat16().float())  # gradients of the weights
