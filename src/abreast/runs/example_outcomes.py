"""Which test examples a run got right: a small binary file of its directory. No torch.

The file is one line of JSON, then the values:

    {"format": 1, "kind": "correct", "count": 360, "ignored": 0, "targets": "5d41402abc4b2a76"}

`correct` is a bit for each example (`numpy.packbits`, the first example in the highest bit, the last byte
filled with zeros); `squared_error` is a little-endian float32 for each. With `ignored` above 0, as many bits
follow that say which examples count. `targets` is a digest of the test targets: only runs with the same one
were tested on the same examples in the same order.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abreast.config.types import Json
from abreast.errors import RunError
from abreast.runs.atomic import write_atomically
from abreast.runs.format import with_format, without_format
from abreast.runs.small_file import parse_json, read_bytes

CORRECT, SQUARED_ERROR = "correct", "squared_error"
MOST_EXAMPLES = 1 << 24
MOST_HEADER = 512  # bytes
DIGEST = 16  # hexadecimal digits
_KEYS = {"kind", "count", "ignored", "targets"}


@dataclass(frozen=True)
class ExampleOutcomes:
    """What a test found for each of its examples, in the order of the test set as stored.

    Attributes:
        values: Whether the example was classified correctly, bool `[N]`; for regression its squared error
            (the mean over the targets), float32 `[N]`.
        counted: Which examples count, bool `[N]`; the others hold the loss's `ignore_index`.
        targets: Digest of the test targets.
    """

    values: NDArray[Any]
    counted: NDArray[np.bool_]
    targets: str

    @property
    def kind(self) -> str:
        """`correct` or `squared_error`."""
        return CORRECT if self.values.dtype == np.bool_ else SQUARED_ERROR

    def write(self, file: Path) -> None:
        """Write the file completely or not at all.

        Raises:
            OSError: If it cannot be written.
        """
        ignored = len(self.counted) - int(self.counted.sum())
        header = with_format(
            {"kind": self.kind, "count": len(self.values), "ignored": ignored, "targets": self.targets}
        )
        content = json.dumps(header).encode() + b"\n"
        if self.kind == CORRECT:
            content += np.packbits(self.values).tobytes()
        else:
            content += self.values.astype("<f4").tobytes()
        if ignored:
            content += np.packbits(self.counted).tobytes()
        write_atomically(file, content)


def digest(targets: NDArray[Any]) -> str:
    """A digest of test targets: equal for equal shapes and values, whatever their precision holds them in.

    Args:
        targets: Integer labels `[N]` or floating targets `[N, D]`.
    """
    dtype = "<i8" if np.issubdtype(targets.dtype, np.integer) else "<f8"
    values = np.ascontiguousarray(targets.astype(dtype))
    content = hashlib.blake2b(f"{dtype}{values.shape}".encode(), digest_size=DIGEST // 2)
    content.update(values.tobytes())
    return content.hexdigest()


def read_example_outcomes(file: Path) -> ExampleOutcomes:
    """Read what `ExampleOutcomes.write` wrote; anything else is refused before it takes memory.

    Raises:
        RunError: If there is no such file, or it is not one of this form; the message says what is wrong.
    """
    try:
        content = read_bytes(file, MOST_HEADER + 5 * MOST_EXAMPLES)
    except FileNotFoundError:
        raise RunError(f"{file}: cannot be read (no such file)") from None
    line = content[: MOST_HEADER + 1].partition(b"\n")[0] + b"\n"
    header = _header(line, file)
    count, mask_bytes = header["count"], (header["count"] + 7) // 8
    value_bytes = mask_bytes if header["kind"] == CORRECT else 4 * count
    if not header["ignored"]:
        mask_bytes = 0
    if len(content) != len(line) + value_bytes + mask_bytes:
        raise RunError(
            f"{file}: has {len(content)} bytes, but {count} examples take "
            f"{len(line) + value_bytes + mask_bytes}: it is truncated or damaged"
        )
    values = content[len(line) : len(line) + value_bytes]
    mask = content[len(line) + value_bytes :]
    counted = _bits(mask, count, file) if mask_bytes else np.ones(count, dtype=np.bool_)
    if count - int(counted.sum()) != header["ignored"]:
        raise RunError(f"{file}: says that {header['ignored']} examples are ignored, but marks others")
    if header["kind"] == CORRECT:
        correct = _bits(values, count, file)
        if (correct & ~counted).any():
            raise RunError(f"{file}: marks ignored examples as correct")
        return ExampleOutcomes(correct, counted, header["targets"])
    errors = np.frombuffer(values, dtype="<f4").astype(np.float32)
    if not (errors >= 0).all():
        raise RunError(f"{file}: holds squared errors that are negative or not numbers")
    return ExampleOutcomes(errors, counted, header["targets"])


def _header(line: bytes, file: Path) -> Json:
    try:
        content = parse_json(line.decode(), file) if len(line) <= MOST_HEADER else None
    except (UnicodeDecodeError, RunError):
        content = None
    if not isinstance(content, dict):
        raise RunError(f"{file}: does not begin with a line of JSON, of at most {MOST_HEADER} bytes")
    header = without_format(content, file)
    count, ignored, targets = (header.get(key) for key in ("count", "ignored", "targets"))
    if header.keys() != _KEYS or header["kind"] not in (CORRECT, SQUARED_ERROR):
        raise RunError(f"{file}: its first line must hold {', '.join(sorted(_KEYS))}, and nothing else")
    if type(count) is not int or not 0 < count <= MOST_EXAMPLES:
        raise RunError(f"{file}: count={count!r} must be in 1..{MOST_EXAMPLES}")
    if type(ignored) is not int or not 0 <= ignored <= (count if header["kind"] == CORRECT else 0):
        raise RunError(f"{file}: ignored={ignored!r} must be in 0..{count}, and 0 for squared errors")
    if not isinstance(targets, str) or len(targets) != DIGEST or set(targets) - set("0123456789abcdef"):
        raise RunError(f"{file}: targets={str(targets)[:40]!r} is not a digest of {DIGEST} digits")
    return header


def _bits(content: bytes, count: int, file: Path) -> NDArray[np.bool_]:
    bits = np.unpackbits(np.frombuffer(content, dtype=np.uint8))
    if bits[count:].any():
        raise RunError(f"{file}: has bits set after those of its {count} examples")
    return bits[:count].astype(np.bool_)
