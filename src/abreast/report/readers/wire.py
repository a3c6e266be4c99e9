"""The wire format of protocol buffers, as far as event files need it. No message is known here.

https://protobuf.dev/programming-guides/encoding
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

Value = int | bytes
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


class WireError(ValueError):
    """Bytes that are no message."""


def fields(message: bytes) -> Iterator[tuple[int, Value]]:
    """The fields of a message in order: number, and an integer or the bytes of it.

    Fixed-width numbers are given as their bytes; see `double` and `single`.

    Raises:
        WireError: The bytes are no message.
    """
    at, end = 0, len(message)
    while at < end:
        tag, at = _varint(message, at)
        number, kind = tag >> 3, tag & 7
        if number == 0:  # as in zeros that were never written
            raise WireError("a field without a number")
        if kind == VARINT:
            value, at = _varint(message, at)
            yield number, value
            continue
        if kind == BYTES:
            size, at = _varint(message, at)
        elif kind in (FIXED64, FIXED32):
            size = 8 if kind == FIXED64 else 4
        else:
            raise WireError(f"wire type {kind}")
        if at + size > end:
            raise WireError("a field that is cut off")
        yield number, message[at : at + size]
        at += size


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(message) or shift > 63:
            raise WireError("a number that is cut off")
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def sub(message: bytes, number: int) -> list[bytes]:
    """The fields of a number that are bytes: texts and messages."""
    return [value for field, value in fields(message) if field == number and isinstance(value, bytes)]


def first(message: bytes, number: int) -> bytes:
    """The first of `sub`; nothing if there is none."""
    return next(iter(sub(message, number)), b"")


def integer(message: bytes, number: int) -> int:
    """An integer field; 0 if there is none."""
    return next((v for field, v in fields(message) if field == number and isinstance(v, int)), 0)


def text(value: bytes) -> str:
    """A text; bytes that are none are replaced."""
    return value.decode("utf-8", "replace")


def double(value: bytes) -> float:
    """A number of eight bytes."""
    return float(struct.unpack("<d", value)[0]) if len(value) == 8 else float("nan")


def single(value: bytes) -> float:
    """A number of four bytes."""
    return float(struct.unpack("<f", value)[0]) if len(value) == 4 else float("nan")
