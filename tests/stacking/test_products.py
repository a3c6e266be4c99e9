"""Products of oneDNN are taken where they have the bits of torch's and are faster."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from abreast.runtime.matmul_precision import matmul_precision
from abreast.stacking import products
from abreast.stacking.products import block_size, multiply
from abreast.stacking.shared_batches import product
from support.stacks import Both, Check, Configs

# Whether the factors' rows lie in a row: forward, gradient of the inputs, gradient of the weights.
LAYOUTS = (True, True), (True, False), (False, False)

pytestmark = pytest.mark.skipif(products._one_dnn() is None, reason="this torch comes without oneDNN")


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Take oneDNN's products wherever they are exact, however small and slow."""
    monkeypatch.setattr(products, "LARGE", 1)
    monkeypatch.setattr(products, "FASTER", float("inf"))
    products._tried.cache_clear()
    yield
    products._tried.cache_clear()


def factors(rows: int, columns: int, terms: int, layout: tuple[bool, bool]) -> tuple[Tensor, Tensor]:
    """Random factors of other values than the comparison has."""
    left, right = (
        torch.rand(length, terms) if is_row_major else torch.rand(terms, length).t()
        for length, is_row_major in zip((rows, columns), layout, strict=True)
    )
    return left, right


@pytest.mark.parametrize("layout", LAYOUTS, ids=("forward", "input gradient", "weight gradient"))
@pytest.mark.parametrize(
    "shape", [(128, 256, 784), (33, 65, 64), (40, 30, 1), (64, 64, 256), (128, 10, 20)], ids=str
)
@pytest.mark.usefixtures("eager")
def test_exact_on_any_values(shape: tuple[int, int, int], layout: tuple[bool, bool]) -> None:
    left, right = factors(*shape, layout)
    for bias in (None, torch.rand(shape[1])):
        size = block_size(left, right, has_bias=bias is not None)
        out = torch.empty(shape[:2])
        if size is not None:
            multiply(left, right, bias, size, out)
            assert out.equal(product(left, right, bias))


@pytest.mark.parametrize("layout", LAYOUTS, ids=("forward", "input gradient", "weight gradient"))
@pytest.mark.parametrize("size", [7, 32, 50])
def test_blocks_are_summed_in_order(layout: tuple[bool, bool], size: int) -> None:
    """Terms so large and small that the order of the sums shows: each block by itself, the bias first."""
    left, right = factors(4, 5, 50, layout)
    left *= 10.0 ** torch.arange(50).remainder(9)
    out, expected = torch.empty(4, 5), torch.full((4, 5), 3.0)
    multiply(left, right, torch.full((5,), 3.0), size, out)
    for start in range(0, 50, size):
        block = slice(start, start + size)
        expected += (left[:, block].double() @ right[:, block].double().t()).float()
    torch.testing.assert_close(out, expected, rtol=1e-6, atol=0)


def test_taken_where_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    left, right = factors(64, 64, 64, (True, True))
    for seconds, faster in (((1.0, 0.5), True), ((1.0, 0.9), False)):
        monkeypatch.setattr(products, "FASTER", 0.6)
        times = iter(seconds * products.TIMED)
        monkeypatch.setattr(products, "_seconds", lambda _, times=times: next(times))
        monkeypatch.setattr(products, "multiply", lambda left, right, _, __, out: out.copy_(left @ right.t()))
        products._tried.cache_clear()
        assert (block_size(left, right) is not None) == faster
    products._tried.cache_clear()


@pytest.mark.usefixtures("eager")
def test_not_taken_where_bits_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    left, right = factors(64, 64, 64, (True, True))

    def other(left: Tensor, right: Tensor, bias: Tensor | None, size: int, out: Tensor) -> None:
        out.copy_(left @ right.t())
        out[3, 5] *= 1 + 1e-6

    monkeypatch.setattr(products, "multiply", other)
    assert block_size(left, right) is None


@pytest.mark.usefixtures("eager")
def test_not_taken_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    left, right = factors(64, 64, 64, (True, True))
    with matmul_precision("bf16"):
        assert block_size(left, right) is None or not torch.ops.mkldnn._is_mkldnn_bf16_supported()
    monkeypatch.setattr(products, "_one_dnn", lambda: None)
    assert block_size(left, right) is None


def test_not_taken_where_copies_leave_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "_tried", lambda *_: 1)
    monkeypatch.setattr(products, "LARGE", 1)
    monkeypatch.setattr(products, "LARGEST", 64 * 50)
    assert block_size(*factors(40, 64, 50, (True, True))) == 1
    for shape in ((65, 40, 50), (40, 65, 50), (64, 64, 10)):  # a factor, the other, their product
        assert block_size(*factors(*shape, (True, True))) is None


@pytest.mark.parametrize("shared_batches", [False, True])
@pytest.mark.usefixtures("eager")
def test_bitwise_as_individual_runs(
    shared_batches: bool, configs: Configs, both: Both, check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In every product of a network, some with batch norm's layout of the examples."""
    taken: list[tuple[int, ...]] = []

    def noted(left: Tensor, right: Tensor, bias: Tensor | None, size: int, out: Tensor) -> None:
        taken.append((len(left), len(right), left.shape[1]))
        multiply(left, right, bias, size, out)

    monkeypatch.setattr("abreast.stacking.layers.linear.multiply", noted)
    monkeypatch.setattr("abreast.stacking.shared_batches.multiply", noted)
    common = ("optim=momentum", "model.norm=batch", "model.hidden=[16,32,24]", "data.batch_size=32")
    each = [(f"seed={seed}", f"optim.lr={lr}") for lr in (0.01, 0.1) for seed in (0, 1)]
    for lane, plain in both(configs(common, *each), shared_batches=shared_batches):
        check(lane, plain)
    # Forward, both gradients of the second layer, 16 by 32, wherever they are exact.
    for shape, layout in zip(((32, 32, 16), (32, 16, 32), (32, 16, 32)), LAYOUTS, strict=True):
        left, right = factors(*shape, layout)
        assert (block_size(left, right, has_bias=layout == (True, True)) is None) == (shape not in taken)
