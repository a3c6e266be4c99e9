"""Large products with bf16 copies of the factors are as close as bf16 is, in any layer and layout."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from abreast.models import Residual
from abreast.runtime.matmul_precision import MatmulPrecision, is_bf16, matmul_precision
from abreast.stacking.bf16_products import Bf16Products
from abreast.stacking.parameters import StackedState
from abreast.stacking.sequential import StackedSequential
from abreast.stacking.shared_batches import allow_bf16_copies, share_first_product

LANES, EXAMPLES = 3, 128


@pytest.mark.parametrize("has_bias", [False, True])
@pytest.mark.parametrize("batch_major", [False, True])
@pytest.mark.parametrize("sizes", [(24, 40), (32, 32)], ids=str)
def test_products_of_all_lanes(sizes: tuple[int, int], batch_major: bool, has_bias: bool) -> None:
    """Of the second step, too, which reuses the memory of the first, with other values."""

    def values(*shape: int) -> Tensor:
        if batch_major:
            return torch.randn(shape[1], shape[0], *shape[2:]).transpose(0, 1)
        return torch.randn(shape)

    inputs, outputs = sizes
    products = Bf16Products()
    for _ in range(2):
        x, grad = values(LANES, EXAMPLES, inputs), values(LANES, EXAMPLES, outputs)
        weight = torch.randn(LANES, outputs, inputs)
        bias = torch.randn(LANES, outputs) if has_bias else None
        out, weight_grad, grad_input = torch.empty_like(grad), torch.empty_like(weight), torch.empty_like(x)
        pending = [products.is_pending]
        products.forward(x, weight, bias, out)
        pending.append(products.is_pending)
        products.backward(grad, weight_grad, grad_input)
        assert [*pending, products.is_pending] == [False, True, False]
        expected = x @ weight.mT + (0 if bias is None else bias[:, None])
        pairs = (out, expected), (weight_grad, grad.mT @ x), (grad_input, grad @ weight)
        for coarse, exact in pairs:
            assert 0 < (coarse - exact).abs().max() < 0.02 * exact.abs().max()


def network() -> nn.Sequential:
    """Linear layers from 2^20 multiplications on, one of them in a residual block; a small last one."""
    block = Residual([nn.Linear(96, 96), nn.ReLU()])
    return nn.Sequential(nn.Linear(90, 96), nn.BatchNorm1d(96), nn.ReLU(), block, nn.Linear(96, 10))


def test_networks_multiply_copies_where_asked() -> None:
    x = torch.randn(1, EXAMPLES, 90)
    grad = torch.randn(LANES, EXAMPLES, 10) / EXAMPLES
    steps: list[list[Tensor]] = []
    precisions: tuple[MatmulPrecision | None, ...] = (None, None, "bf16")
    for precision, allowed in zip(precisions, (False, True, True), strict=True):
        torch.manual_seed(0)
        nets = [network() for _ in range(LANES)]
        state = StackedState(nets)
        net = StackedSequential(nets, state, [torch.Generator()] * LANES, (90,))
        if allowed:
            allow_bf16_copies(net.layers)
        assert share_first_product(net, [slice(0, LANES)])
        with torch.no_grad(), matmul_precision(precision):
            out = net.forward(x).clone()
            net.backward(grad.clone())
            is_coarse = is_bf16(x.device)
        steps.append([out, *state.gradients.values()])
    exact, unasked, coarse = steps
    for one, other in zip(exact, unasked, strict=True):
        assert one.equal(other)
    norms = [torch.linalg.vector_norm(torch.cat([t.flatten() for t in step])) for step in (exact, coarse)]
    torch.testing.assert_close(norms[1], norms[0], rtol=0.05, atol=0)
    rounded = [
        gradient.equal(gradient.bfloat16().float())
        for gradient in coarse[1:]
        if gradient.ndim == 3 and gradient.shape[1] > 10
    ]
    assert rounded == [is_coarse, is_coarse]
