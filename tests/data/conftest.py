"""Fixtures of the data tests: files in the IDX format."""

from __future__ import annotations

import gzip
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

CODES = {"uint8": 0x08, "int8": 0x09, "int16": 0x0B, "int32": 0x0C, "float32": 0x0D, "float64": 0x0E}


def idx_bytes(array: Any) -> Any:
    """The IDX format, written from its description in `struct`, not with the reader's tables."""
    header = struct.pack(">HBB", 0, CODES[array.dtype.name], array.ndim)
    sizes = b"".join(struct.pack(">I", n) for n in array.shape)
    return header + sizes + array.astype(array.dtype.newbyteorder(">")).tobytes()


@pytest.fixture(name="idx_bytes", scope="session")
def idx_bytes_fixture() -> Any:
    return idx_bytes


@pytest.fixture
def write_idx(tmp_path: Path) -> Any:
    """write_idx(name, array) -> path of an IDX file; gzip if the name ends in .gz."""

    def write(name: str, array: Any) -> Any:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = idx_bytes(np.asarray(array))
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return path

    return write


@pytest.fixture(scope="session")
def family() -> Any:
    """Arrays of a tiny data set of the MNIST family, under torchvision's file names."""
    rng = np.random.default_rng(0)
    return {
        "train-images-idx3-ubyte": rng.integers(0, 256, (20, 28, 28), np.uint8),
        "train-labels-idx1-ubyte": np.arange(20, dtype=np.uint8) % 10,
        "t10k-images-idx3-ubyte": rng.integers(0, 256, (10, 28, 28), np.uint8),
        "t10k-labels-idx1-ubyte": np.arange(10, dtype=np.uint8),
    }


@pytest.fixture(scope="session")
def real_mnist() -> Any:
    root = os.environ.get("ABREAST_DATA")
    if not root:
        pytest.skip("ABREAST_DATA names no folder with the real MNIST files (MNIST/raw/*-ubyte)")
    if not (Path(root) / "MNIST" / "raw").is_dir():
        pytest.skip(f"ABREAST_DATA={root} has no MNIST/raw")
    return Path(root)
