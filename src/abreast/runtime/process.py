"""What each process that trains or tests sets up once, before it builds anything."""

from __future__ import annotations

import logging
import os
import warnings

import torch

from abreast.runtime.allocator import keep_freed_memory
from abreast.runtime.patches import is_on


def prepare_process() -> None:
    """Set the arithmetic and the memory of this process, and quiet the libraries. Safe to call again."""
    # Not a patch: it decides results. Denormal numbers slow products down by orders of magnitude, and in a
    # stack one run whose weights collapse would slow down all others.
    torch.set_flush_denormal(True)
    keep_freed_memory()
    if is_on("nvml_check") and not torch.cuda.is_available():
        os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "0"
    if is_on("log_handlers"):
        for name in ("lightning.pytorch", "lightning.fabric"):
            logger = logging.getLogger(name)
            logger.handlers.clear()
            logger.propagate = True
            logger.setLevel(logging.WARNING)
    if is_on("warning_filters"):
        # lightning 2.6.6 asks torch 2.14 for a class that is deprecated there.
        warnings.filterwarnings("ignore", message=r"`isinstance\(treespec, LeafSpec\)` is deprecated")
        # A resumed run finds its own checkpoints there.
        warnings.filterwarnings("ignore", message="Checkpoint directory .* exists and is not empty")
        # A stack's log says that it uses torch.func.vmap, which has no rule for some operations.
        warnings.filterwarnings("ignore", message="There is a performance drop because we have not yet impl")
