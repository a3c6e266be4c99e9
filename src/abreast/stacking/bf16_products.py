"""Products of a linear layer in every lane with bf16 copies of the factors, each converted once."""

from __future__ import annotations

import torch
from torch import Tensor

from abreast.runtime.matmul_precision import is_bf16
from abreast.stacking.parameters import BufferPool

BF16_FROM = 1 << 20  # multiplications of a lane's product from which converting its factors pays off


def pays_off_in_bf16(examples: int, weight: Tensor) -> bool:
    """Whether products with weights `[K, out, in]` multiply in bf16, and are worth converting the factors."""
    _, outputs, inputs = weight.shape
    return examples * outputs * inputs >= BF16_FROM and is_bf16(weight.device)


class Bf16Products:
    """The three products of a layer; the copies of forward serve backward, too.

    Torch's own products of float32 factors in bf16 convert them anew in each product, and copy those whose
    lanes are interleaved. The results are rounded to bf16.
    """

    def __init__(self) -> None:
        self._inputs, self._weights, self._grads = (BufferPool(most=2) for _ in range(3))
        self._results = BufferPool(most=6)
        self._kept: tuple[Tensor, Tensor] | None = None

    @property
    def is_pending(self) -> bool:
        """Whether the last forward was computed here, so that backward is, too."""
        return self._kept is not None

    def forward(self, x: Tensor, weight: Tensor, bias: Tensor | None, out: Tensor) -> None:
        """Write `x @ weight.T + bias` to `out` `[K, B, out]`, for inputs `[K, B, in]`."""
        x16, weight16 = _copy(x, self._inputs), _copy(weight, self._weights)
        self._kept = x16, weight16
        product = self._product(x16, weight16.transpose(1, 2))
        if bias is None:
            out.copy_(product)
        else:
            torch.add(product, bias[:, None], out=out)

    def backward(self, grad: Tensor, weight_grad: Tensor, grad_input: Tensor | None) -> None:
        """Write the gradients of the weights and, where they are needed, of the inputs."""
        assert self._kept is not None
        (x16, weight16), self._kept = self._kept, None
        grad16 = _copy(grad, self._grads)
        weight_grad.copy_(self._product(grad16.transpose(1, 2), x16))
        if grad_input is not None:
            grad_input.copy_(self._product(grad16, weight16))

    def _product(self, left: Tensor, right: Tensor) -> Tensor:
        out = self._results.dense(*left.shape[:2], right.shape[2], like=left)
        return torch.bmm(left, right, out=out)


def _copy(values: Tensor, pool: BufferPool) -> Tensor:
    like = torch.empty(0, dtype=torch.bfloat16, device=values.device)
    return pool.dense(*values.shape, like=like).copy_(values)
