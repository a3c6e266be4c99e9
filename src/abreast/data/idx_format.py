"""The IDX file format of the MNIST family: big-endian arrays of any number of dimensions.

Format: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits", section "File formats".
"""

from __future__ import annotations

import gzip
import io
import math
import os
import stat
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from abreast.errors import DataError

_TYPES: dict[int, np.dtype[Any]] = {
    0x08: np.dtype(">u1"),
    0x09: np.dtype(">i1"),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}
_GZIP_MAGIC = b"\x1f\x8b"
# Deflate cannot shrink data by more (zlib's technical details, "Maximum Compression Factor").
_GZIP_RATIO = 1032
_BLOCK = 1 << 20


def read_idx(path: str | Path, mend: str = "Put a good copy there.") -> Tensor:
    """Read an IDX file, raw or gzip (told by its content), into a tensor of its shape and type.

    Args:
        path: The file.
        mend: The sentence that says what to do; it ends every message.

    Raises:
        DataError: The file is missing, unreadable, truncated or corrupt in any way; one line.
    """
    try:
        return _open(Path(path))
    except FileNotFoundError:
        what = "the file does not exist"
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        what = f"the gzip data are cut off or corrupt ({error})"
    except (OSError, ValueError) as error:
        what = f"cannot be read ({error})"
    except MemoryError:
        what = "does not fit into memory"
    except _CorruptError as error:
        what = str(error)
    raise DataError(f"{path}: {what}. {mend}")


class _CorruptError(Exception):
    """What was found, and what was expected."""


def _open(path: Path) -> Tensor:
    # A pipe or a device would block or never end.
    if not stat.S_ISREG(path.stat().st_mode):
        raise _CorruptError("is a folder or a device, expected a file")
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        magic = file.read(2)
        file.seek(0)
        if magic != _GZIP_MAGIC:
            return _read(file, size, is_exact=True)
        with gzip.GzipFile(fileobj=file) as unzipped:
            return _read(unzipped, size * _GZIP_RATIO, is_exact=False)


def _read(file: io.BufferedIOBase, size: int, *, is_exact: bool) -> Tensor:
    """The array of an open file, whose bytes are `size`, exactly or at most."""
    dtype, shape = _header(file)
    header = 4 + 4 * len(shape)
    expected = math.prod(shape) * dtype.itemsize
    asks = f"{expected} bytes, as the header {shape} of {dtype.name} asks"
    available = size - header
    if available < expected:
        most = "" if is_exact else "at most "
        raise _CorruptError(f"is cut off: {most}{available} bytes of data, expected {asks}")
    if is_exact and available > expected:
        raise _CorruptError(f"has trailing bytes: {available} bytes of data, expected {asks}")
    # A size of 0 passes the comparisons whatever the others are, but strides must fit into 64 bits.
    if math.prod(max(n, 1) for n in shape) * dtype.itemsize >= 1 << 63:
        raise _CorruptError(f"is corrupt: no array has the shape {shape}")

    body = np.empty(expected, np.uint8)
    filled = 0
    while filled < expected:
        # By blocks: a gzip stream would hold a second copy of all that it is asked for.
        count = file.readinto(body[filled : filled + _BLOCK].data)
        if not count:
            raise _CorruptError(f"is cut off: {filled} bytes of data, expected {asks}")
        filled += count
    if file.read(1):
        raise _CorruptError(f"has trailing bytes: more than the {asks}")
    values = body.view(dtype)
    return torch.from_numpy(values.astype(dtype.newbyteorder("="), copy=False)).reshape(shape)


def _header(file: io.BufferedIOBase) -> tuple[np.dtype[Any], list[int]]:
    magic = file.read(4)
    if not magic:
        raise _CorruptError("the file is empty")
    if len(magic) < 4 or magic[:2] != b"\0\0":
        raise _CorruptError(
            f"is not an IDX file: it starts with bytes {magic.hex(' ')}, expected 00 00, a type and a rank"
        )
    if magic[2] not in _TYPES:
        allowed = ", ".join(f"0x{code:02x}" for code in _TYPES)
        raise _CorruptError(f"has type code 0x{magic[2]:02x}, expected one of {allowed}")
    if not magic[3]:
        raise _CorruptError("has 0 dimensions, expected 1 or more")
    sizes = file.read(4 * magic[3])
    if len(sizes) < 4 * magic[3]:
        raise _CorruptError(f"the header is cut off: {len(sizes)} bytes of sizes, expected {4 * magic[3]}")
    return _TYPES[magic[2]], np.frombuffer(sizes, ">u4").tolist()
