"""Matrix products of single lanes by oneDNN, where these take less time than torch's and have the same bits.

Torch multiplies float32 matrices by its BLAS. MKL does not use the widest vectors of some CPUs, which oneDNN
does; it adds up long sums in blocks, which can be had from oneDNN by one product for each block.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache, lru_cache, partial
from typing import Any

import torch
from torch import Tensor

from abreast.runtime.matmul_precision import is_bf16

LARGE = 1 << 18  # multiplications of a product from which oneDNN may pay off: a call takes about 5 us
LARGEST = 1 << 18  # values of a factor or a product, up to which the copies stay in a core's second cache
FASTER = 0.85  # of the time of torch's product, at most
BLOCKS = 192, 384, 256  # terms that a BLAS may add up before it adds them to the sum so far
TIMED = 5  # times that each is timed


@cache
def _one_dnn() -> Callable[..., Tensor] | None:
    """OneDNN's `x @ weight.T`, which torch's compiler calls; None where torch does not have it."""
    function: Any = getattr(torch.ops.mkldnn, "_linear_pointwise", None)  # private
    backends: Any = torch.backends  # mkldnn's functions have no type hints
    return function if backends.mkldnn.is_available() else None


def multiply(left: Tensor, right: Tensor, bias: Tensor | None, size: int, out: Tensor) -> None:
    """Write `left @ right.T + bias` to `out`, in the order of `torch.addmm` with blocks of `size` terms.

    Args:
        left: `[M, terms]`.
        right: `[N, terms]`.
        bias: `[N]`, or None.
        size: Terms of a block.
        out: `[M, N]`.
    """
    one_dnn = _one_dnn()
    assert one_dnn is not None
    terms = left.shape[1]
    for start in range(0, terms, size):
        block = slice(start, start + size)
        factor = right[:, block]
        if not (factor.is_contiguous() or factor.t().is_contiguous()):  # very slow otherwise
            factor = factor.contiguous()
        part = one_dnn(left[:, block], factor, None, "none", [], "")
        if start:
            out += part
        elif bias is None:
            out.copy_(part)
        else:
            torch.add(part, bias, out=out)


def block_size(left: Tensor, right: Tensor, *, has_bias: bool = False) -> int | None:
    """The block size with which `multiply` is bitwise torch's product, and faster; None if there is none.

    Args:
        left: `[M, terms]`, of which only the shape and the layout matter.
        right: `[N, terms]`, likewise.
        has_bias: Whether a bias is added.
    """
    rows, terms = left.shape
    columns = len(right)
    if rows * columns * terms < LARGE or left.device.type != "cpu" or is_bf16(left.device):
        return None
    if max(rows * terms, columns * terms, rows * columns) > LARGEST:
        return None
    layout = left.stride(1) == 1, right.stride(1) == 1
    return _tried(rows, columns, terms, layout, has_bias, torch.get_num_threads())


@lru_cache(maxsize=256)
def _tried(
    rows: int, columns: int, terms: int, layout: tuple[bool, bool], has_bias: bool, threads: int
) -> int | None:
    """Compare both on random values: sums are in the same order for any values."""
    if _one_dnn() is None:
        return None
    generator = torch.Generator().manual_seed(0)
    left, right = (
        torch.randn(length, terms, generator=generator)
        if is_row_major
        else torch.randn(terms, length, generator=generator).t()
        for length, is_row_major in zip((rows, columns), layout, strict=True)
    )
    bias = torch.randn(columns, generator=generator) if has_bias else None
    expected, out = torch.empty(rows, columns), torch.empty(rows, columns)

    def usual() -> None:
        if bias is None:
            torch.mm(left, right.t(), out=expected)
        else:
            torch.addmm(bias, left, right.t(), out=expected)

    usual()
    sizes = {terms, max(1, terms // 2), *(block for block in BLOCKS if block < terms)}
    for size in sorted(sizes, reverse=True):
        try:
            multiply(left, right, bias, size, out)
        except RuntimeError:  # oneDNN has no such product on this CPU
            return None
        if out.equal(expected):
            blockwise = partial(multiply, left, right, bias, size, out)
            seconds = [(_seconds(usual), _seconds(blockwise)) for _ in range(TIMED)]
            before, now = (min(times) for times in zip(*seconds, strict=True))
            return size if now < FASTER * before else None
    return None


def _seconds(action: Callable[[], None]) -> float:
    """CPU time of this thread."""
    began = time.thread_time()
    action()
    return time.thread_time() - began
