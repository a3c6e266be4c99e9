"""How exact float32 matrix products are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch

MatmulPrecision = Literal["bf16", "tf32"]


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
    before = backend.fp32_precision
    backend.fp32_precision = value
    try:
        yield
    finally:
        backend.fp32_precision = before
