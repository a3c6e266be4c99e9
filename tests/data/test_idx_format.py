"""The IDX reader: every type and rank, and for every corruption one clear line."""

from __future__ import annotations

import gzip
import os
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from abreast.data.idx_format import read_idx
from abreast.errors import DataError

TYPES = ["uint8", "int8", "int16", "int32", "float32", "float64"]
GOOD = struct.pack(">HBBII", 0, 0x08, 2, 2, 3) + bytes(range(6))  # [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize("packed", ["", ".gz"])
@pytest.mark.parametrize("shape", [(5,), (2, 3), (3, 1, 4), (2, 1, 3, 2), (1,) * 7, (0, 4), (1, 0)])
@pytest.mark.parametrize("dtype", TYPES)
def test_round_trip(write_idx: Callable[..., Path], dtype: Any, shape: Any, packed: str) -> None:
    rng = np.random.default_rng(1)
    array = (rng.integers(0, 250, shape) - (0 if dtype == "uint8" else 125)).astype(dtype)
    read = read_idx(write_idx("x" + packed, array))
    assert read.dtype == getattr(torch, dtype)
    assert read.shape == shape
    assert read.is_contiguous()
    assert np.array_equal(read.numpy(), array)
    read += 1  # writable: torch warns of memory that is not, and warnings are errors


@pytest.mark.parametrize("dtype", TYPES)
def test_extreme_values(write_idx: Callable[..., Path], dtype: Any) -> None:
    info = np.finfo(dtype) if dtype.startswith("float") else np.iinfo(dtype)
    array = np.array([info.min, info.max, 1], dtype)
    assert np.array_equal(read_idx(write_idx("x", array)).numpy(), array)


def test_gzip_is_told_by_content_not_by_name(tmp_path: Path) -> None:
    for name, data in (("plain.gz", GOOD), ("zipped", gzip.compress(GOOD))):
        (tmp_path / name).write_bytes(data)
        assert read_idx(tmp_path / name).tolist() == [[0, 1, 2], [3, 4, 5]]
    half = len(GOOD) // 2
    (tmp_path / "members").write_bytes(gzip.compress(GOOD[:half]) + gzip.compress(GOOD[half:]))
    assert read_idx(str(tmp_path / "members")).tolist() == [[0, 1, 2], [3, 4, 5]]


def head(code: Any, *sizes: Any, rank: Any = None) -> Any:
    return struct.pack(">HBB", 0, code, len(sizes) if rank is None else rank) + struct.pack(
        f">{len(sizes)}I", *sizes
    )


HUGE = 2**32 - 1

CORRUPT = {
    "empty": (b"", "the file is empty"),
    "one byte": (b"\0", "starts with bytes 00, expected 00 00"),
    "html": (b"<!DOCTYPE html>", "starts with bytes 3c 21 44 4f"),
    "little endian": (b"\x03\x08\0\0" + bytes(20), "starts with bytes 03 08"),
    "type code": (head(0x07, 1) + b"\0", "type code 0x07, expected one of 0x08"),
    "no dimensions": (head(0x08) + b"\0", "has 0 dimensions"),
    "cut in the header": (head(0x08, 2, rank=3), "header is cut off: 4 bytes of sizes, expected 12"),
    "cut in the body": (GOOD[:-1], "cut off: 5 bytes of data, expected 6"),
    "header only": (GOOD[:12], "cut off: 0 bytes of data, expected 6"),
    "trailing": (GOOD + b"\0", "trailing bytes: 7 bytes of data, expected 6"),
    "absurd": (head(0x0E, *[HUGE] * 9) + b"\0", "cut off: 1 bytes of data"),
    "absurd but empty": (head(0x0E, 0, *[HUGE] * 9), "no array has the shape"),
    "just too large, empty": (head(0x08, 0, 1 << 31, 1 << 31, 2), "no array has the shape"),
    "most ranks": (head(0x08, *[HUGE] * 255), "cut off: 0 bytes"),
}
ZIPPED = {
    "empty": (b"", "the file is empty"),
    "html": (b"<!DOCTYPE html>", "starts with bytes 3c 21 44 4f"),
    "cut in the header": (head(0x08, 2, rank=3), "header is cut off"),
    "cut in the body": (GOOD[:-1], "cut off: 5 bytes of data, expected 6"),
    "trailing": (GOOD + b"\0", "more than the 6 bytes"),
    "absurd": (head(0x0E, *[HUGE] * 9) + b"\0", "cut off: at most"),
    "large": (head(0x08, 20000) + b"\0", "cut off: 1 bytes of data, expected 20000"),
    "absurd but empty": (head(0x0E, 0, *[HUGE] * 9), "no array has the shape"),
}


def error_of(path: Path) -> Any:
    with pytest.raises(DataError) as raised:
        read_idx(path, "Do this.")
    text = str(raised.value)
    assert text.startswith(f"{path}: ")
    assert text.endswith(" Do this.")
    assert "\n" not in text
    return text


@pytest.mark.parametrize("case", CORRUPT)
def test_corrupt(tmp_path: Path, case: Any) -> None:
    data, said = CORRUPT[case]
    path = tmp_path / "x"
    path.write_bytes(data)
    assert said in error_of(path)


@pytest.mark.parametrize("case", ZIPPED)
def test_corrupt_in_gzip(tmp_path: Path, case: Any) -> None:
    data, said = ZIPPED[case]
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(data))
    assert said in error_of(path)


@pytest.mark.parametrize("cut", [2, 5, 10, 15, -9, -8, -1])
def test_gzip_cut_off(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(GOOD)[:cut])
    assert "cut off" in error_of(path)


def test_gzip_corrupt(tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    data = bytearray(gzip.compress(GOOD))
    data[-6] ^= 1  # in the checksum
    path.write_bytes(data)
    assert "gzip data are cut off or corrupt (CRC check failed" in error_of(path)
    path.write_bytes(gzip.compress(GOOD) + b"garbage")
    assert "gzip data are cut off or corrupt" in error_of(path)


def test_not_a_file(tmp_path: Path) -> None:
    assert "the file does not exist" in error_of(tmp_path / "nothing")
    assert "is a folder" in error_of(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    assert "a device" in error_of(tmp_path / "pipe")  # and does not wait for a writer
    (tmp_path / "x").write_bytes(GOOD)
    assert "cannot be read" in error_of(tmp_path / "x" / "y")
    assert "cannot be read" in error_of("a\0b")


def test_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x"
    path.write_bytes(GOOD)

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(path), "open", refuse)  # root may read everything
    assert "cannot be read ([Errno 13] Permission denied)" in error_of(path)


def test_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x"
    path.write_bytes(GOOD)

    def refuse(*args: Any) -> None:
        raise MemoryError

    monkeypatch.setattr("abreast.data.idx_format.np.empty", refuse)
    assert "does not fit into memory" in error_of(path)


def test_a_small_file_allocates_little(tmp_path: Path) -> None:
    zipper = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = zipper.compress(head(0x08, 100)) + zipper.compress(bytes(1 << 26)) + zipper.flush()
    for data in (head(0x08, 1 << 31), gzip.compress(head(0x08, 1 << 31)), bomb):
        path = tmp_path / "x"
        path.write_bytes(data)
        tracemalloc.start()
        error_of(path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 4 << 20


def test_the_largest_empty_array(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(head(0x08, 0, 1 << 31, 1 << 31))
    assert read_idx(tmp_path / "x").shape == (0, 1 << 31, 1 << 31)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_memory_is_that_of_the_array(write_idx: Callable[..., Path], suffix: str) -> None:
    path = write_idx("x" + suffix, np.zeros((64, 512, 512), np.uint8))
    tracemalloc.start()
    read_idx(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.3 * 64 * 512 * 512


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return tmp_path_factory.mktemp("fuzz") / "x"


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_never_anything_but_a_tensor_or_a_data_error(fuzzed: Any, data: Any) -> None:
    code = data.draw(st.sampled_from([0x08, 0x09, 0x0B, 0x0C, 0x0D, 0x0E]) | st.integers(0, 255))
    sizes = data.draw(st.lists(st.integers(0, 4) | st.integers(0, HUGE), max_size=5))
    body = data.draw(st.binary(max_size=64))
    content = bytearray(data.draw(st.sampled_from([head(code, *sizes) + body, GOOD, body])))
    if data.draw(st.booleans()):
        content = bytearray(gzip.compress(content, mtime=0))
    for where, byte in data.draw(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 255)), max_size=3)):
        if where < len(content):
            content[where] = byte
    fuzzed.write_bytes(content[: data.draw(st.integers(0, 200))])
    try:
        read = read_idx(fuzzed)
    except DataError as error:
        assert "\n" not in str(error)  # noqa: PT017 (either outcome is right)
    else:
        assert isinstance(read, torch.Tensor)
