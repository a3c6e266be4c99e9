"""A digest of a data set's content: runs with the same digest have the same examples."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence

import torch
from torch import Tensor

DIGITS = 16  # hexadecimal
THREAD_FROM = 1 << 20  # bytes that take longer to hash than a thread to start


class ContentDigest:
    """The digest of a source, before it is split; large ones are hashed while the training starts.

    The examples count in their order, as stored: SHA-256 over the type, shape and bytes of inputs and targets
    of both parts, and the names of the classes. Where the files are does not count.

    Args:
        classes: The names of the classes.
        tensors: Inputs and targets of the training examples, then of the test examples.
    """

    def __init__(self, classes: Sequence[str], tensors: Sequence[Tensor]) -> None:
        self._hash = hashlib.sha256(repr(tuple(classes)).encode())
        self._thread: threading.Thread | None = None
        if sum(tensor.nbytes for tensor in tensors) < THREAD_FROM:
            self._update(tensors)
        else:
            self._thread = threading.Thread(target=self._update, args=(tensors,), daemon=True)
            self._thread.start()

    def _update(self, tensors: Sequence[Tensor]) -> None:
        for tensor in tensors:
            self._hash.update(f"{tensor.dtype}{list(tensor.shape)}".encode())
            stored = tensor.detach().cpu().contiguous().reshape(-1)
            self._hash.update(stored.view(torch.uint8).numpy().data)  # releases the GIL

    @property
    def hex(self) -> str:
        """The first 16 hexadecimal digits."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        return self._hash.hexdigest()[:DIGITS]
