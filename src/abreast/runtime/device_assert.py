"""What a GPU says of an index out of range, in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from abreast.errors import RunError, chain

ASSERT = "device-side assert triggered"
TOLD = (
    "the GPU stopped at an assertion: an index, such as a label, is outside its range. Run the same command "
    "with trainer.accelerator=cpu to see which one"
)


@contextmanager
def device_asserts_told() -> Iterator[None]:
    """Raise RunError where a kernel's assertion has failed inside; CUDA refuses everything after it.

    CUDA tells it at a later call, so that neither its traceback nor its text names the index.
    """
    try:
        yield
    except RuntimeError as error:
        if any(ASSERT in str(link) for link in chain(error)):
            raise RunError(TOLD) from error
        raise
