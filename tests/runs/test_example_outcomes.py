"""The file of test outcomes: read back as written, and nothing else is read."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from abreast.errors import RunError
from abreast.runs.example_outcomes import MOST_EXAMPLES, ExampleOutcomes, digest, read_example_outcomes
from abreast.runs.format import NewerFormatError

DIGEST = digest(np.arange(11))


def outcomes(count: int, *, ignored: tuple[int, ...] = ()) -> ExampleOutcomes:
    """Outcomes of `count` examples, of which every third is correct."""
    counted = np.ones(count, dtype=bool)
    counted[list(ignored)] = False
    return ExampleOutcomes((np.arange(count) % 3 == 0) & counted, counted, DIGEST)


@pytest.mark.parametrize("count", [1, 7, 8, 9, 10_000])
@pytest.mark.parametrize("ignored", [(), (0,)])
def test_bits_are_read_back(count: int, ignored: tuple[int, ...], tmp_path: Path) -> None:
    written = outcomes(count, ignored=ignored)
    written.write(tmp_path / "bits")
    read = read_example_outcomes(tmp_path / "bits")
    assert read.values.tolist() == written.values.tolist()
    assert read.counted.tolist() == written.counted.tolist()
    assert (read.kind, read.targets) == ("correct", DIGEST)
    header = (tmp_path / "bits").read_bytes().index(b"\n") + 1
    # 1.25 kB for 10,000 examples
    assert (tmp_path / "bits").stat().st_size == header + -(-count // 8) * (1 + len(ignored))


def test_squared_errors_are_read_back(tmp_path: Path) -> None:
    errors = np.array([0.0, 1.5, 3e-8, np.inf], dtype=np.float32)
    ExampleOutcomes(errors, np.ones(4, dtype=bool), DIGEST).write(tmp_path / "errors")
    read = read_example_outcomes(tmp_path / "errors")
    assert read.values.dtype == np.float32
    assert read.values.tolist() == errors.tolist()
    assert read.kind == "squared_error"


def header(**changes: object) -> bytes:
    """The first line for eleven examples, with changes."""
    content = {"format": 1, "kind": "correct", "count": 11, "ignored": 0, "targets": DIGEST, **changes}
    return json.dumps({key: value for key, value in content.items() if value is not None}).encode() + b"\n"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "begin with a line of JSON"),
        (b"[" * 100_000, "begin with a line of JSON"),
        (b"[" * 400 + b"\n", "begin with a line of JSON"),
        (b"[1]\n", "begin with a line of JSON"),
        (header(more="x" * 600) + b"\0\0", "begin with a line of JSON"),
        (header(more=1) + b"\0\0", "nothing else"),
        (header(count=None) + b"\0\0", "nothing else"),
        (header(kind="logits") + b"\0\0", "nothing else"),
        (header(kind=["correct"]) + b"\0\0", "nothing else"),
        (header(count=0), "count=0"),
        (header(count=True) + b"\0", "count=True"),
        (header(count=11.0) + b"\0\0", r"count=11\.0"),
        (header(count=MOST_EXAMPLES + 1) + b"\0\0", "must be in 1"),
        (header(ignored=12) + b"\0\0", "ignored=12"),
        (header(ignored=-1) + b"\0\0", "ignored=-1"),
        (header(kind="squared_error", ignored=1) + bytes(44), "ignored=1"),
        (header(targets="../../etc/passwd") + b"\0\0", "not a digest"),
        (header(targets=7) + b"\0\0", "not a digest"),
        (header() + b"\0", "truncated or damaged"),
        (header() + b"\0\0\0", "truncated or damaged"),
        (header(ignored=1) + b"\0\0", "truncated or damaged"),
        (header(count=MOST_EXAMPLES, kind="squared_error") + b"\0\0", "truncated or damaged"),
        (header() + b"\0\1", "bits set after"),
        (header(ignored=1) + b"\0\0\xff\xe0", "marks others"),
        (header(ignored=1) + b"\x80\0\x7f\xe0", "ignored examples as correct"),
        (header(kind="squared_error", count=1) + np.float32(-1).tobytes(), "negative"),
        (header(kind="squared_error", count=1) + np.float32(np.nan).tobytes(), "not numbers"),
        (header(format="1") + b"\0\0", "not a format version"),
    ],
)
def test_anything_else_is_refused(content: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / "bits").write_bytes(content)
    with pytest.raises(RunError, match=reason):
        read_example_outcomes(tmp_path / "bits")


def test_newer_formats_and_odd_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "newer").write_bytes(header(format=2))
    with pytest.raises(NewerFormatError):
        read_example_outcomes(tmp_path / "newer")
    with pytest.raises(RunError, match="cannot be read"):
        read_example_outcomes(tmp_path / "missing")
    with pytest.raises(RunError, match=r"cannot be read|not a regular file"):
        read_example_outcomes(tmp_path)
    os.mkfifo(tmp_path / "pipe")  # nobody ever writes to it
    with pytest.raises(RunError, match="not a regular file"):
        read_example_outcomes(tmp_path / "pipe")
    with pytest.raises(RunError, match="not a regular file"):
        read_example_outcomes(Path("/dev/zero"))


def test_the_digest_is_of_values_and_shape() -> None:
    labels = np.array([3, 1, 2])
    assert digest(labels) == digest(labels.astype(np.int32)) != digest(labels[::-1])
    targets = np.array([[0.5, 0.25]], dtype=np.float32)
    assert digest(targets) == digest(targets.astype(np.float64)) != digest(targets.T)
