"""A stand-in for CUDA graphs on the CPU: records the operations of a function, and does them again.

As with a graph, Python is not run again, plain numbers are those of the recording, tensors are read and
written where they were, and nothing is executed by the recording itself. An operation that would wait for
the device is refused, as CUDA refuses it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

SYNCHRONIZING = {
    torch.ops.aten._local_scalar_dense.default,
    torch.ops.aten.nonzero.default,
    torch.ops.aten.equal.default,
    torch.ops.aten.masked_select.default,
    torch.ops.aten.is_nonzero.default,
    torch.ops.aten.repeat_interleave.Tensor,
}
UNDECLARED = {torch.ops.aten.native_batch_norm.default}  # writes the running statistics, unsaid


class NoSynchronization(TorchDispatchMode):
    """Refuses what waits for the device: a value that Python reads, a shape that depends on values."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Do the operation, or refuse it."""
        if func in SYNCHRONIZING and any(_is_data(leaf) for leaf in tree_leaves(args)):
            raise RuntimeError(f"{func} waits for the device: not permitted in a capture")
        return func(*args, **(kwargs or {}))


def _is_data(leaf: object) -> bool:
    return isinstance(leaf, Tensor)


class RecordedGraph(NoSynchronization):
    """Records operations, and restores what they have written."""

    device_type = "cpu"
    made: ClassVar[list[RecordedGraph]] = []

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, Any, Any, list[Tensor]]] = []
        self.replays = 0
        self._before: dict[int, tuple[Tensor, Tensor]] = {}
        self.made.append(self)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Record the operation."""
        kwargs = kwargs or {}
        if func._schema.is_mutable or func in UNDECLARED:
            for leaf in tree_leaves((args, kwargs)):
                if isinstance(leaf, Tensor) and id(leaf) not in self._before:
                    self._before[id(leaf)] = (leaf, leaf.clone())
        result = super().__torch_dispatch__(func, types, args, kwargs)
        self.calls.append((func, args, kwargs, [x for x in tree_leaves(result) if isinstance(x, Tensor)]))
        return result

    def record(self, function: Callable[[], list[Tensor]]) -> list[Tensor]:
        """As `abreast.runtime.cuda_graph.Graph`."""
        random = torch.get_rng_state()
        try:
            with self:
                return function()
        finally:
            torch.set_rng_state(random)
            for tensor, before in reversed(self._before.values()):
                tensor.detach().copy_(before)
            self._before.clear()

    @torch.no_grad()
    def replay(self) -> None:
        """As `abreast.runtime.cuda_graph.Graph`."""
        self.replays += 1
        for func, args, kwargs, recorded in self.calls:
            results = [x for x in tree_leaves(func(*args, **kwargs)) if isinstance(x, Tensor)]
            for old, new in zip(recorded, results, strict=True):
                if old.untyped_storage().data_ptr() != new.untyped_storage().data_ptr():
                    old.detach().copy_(new)
