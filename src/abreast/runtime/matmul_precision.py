"""How exact float32 matrix products are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch

from abreast.runtime.patches import is_on

MatmulPrecision = Literal["bf16", "tf32"]


def is_bf16(device: torch.device) -> bool:
    """Whether float32 products of the device multiply in bf16: they are asked to, and the device can."""
    backends: Any = torch.backends  # mkldnn's settings have no type hints
    if backends.mkldnn.matmul.fp32_precision != "bf16":
        return False
    if device.type != "cpu":  # where the setting is heeded by a stack's linear layers alone
        return device.type == "cuda" and torch.cuda.is_bf16_supported()
    can: Any = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)  # private; else no bf16 tensors
    return can is not None and bool(can())


@contextmanager
def matmul_precision(value: MatmulPrecision | None) -> Iterator[None]:
    """Let float32 products multiply in `bf16` (oneDNN, on CPUs that can) or `tf32` (GPUs) inside; sums stay.

    None leaves the process's own setting. Raises ValueError for another value.
    """
    if value is None:
        yield
        return
    backends: Any = torch.backends  # mkldnn's settings have no type hints
    backend = {"bf16": backends.mkldnn.matmul, "tf32": backends.cuda.matmul}.get(value)
    if backend is None:
        raise ValueError(f"matmul_precision={value} is unknown; it takes null, bf16 or tf32")
    before, question = backend.fp32_precision, torch.get_float32_matmul_precision
    backend.fp32_precision = value
    if is_on("matmul_question"):
        torch.get_float32_matmul_precision = lambda: {"bf16": "medium", "tf32": "high"}[value]
    try:
        yield
    finally:
        backend.fp32_precision = before
        torch.get_float32_matmul_precision = question
