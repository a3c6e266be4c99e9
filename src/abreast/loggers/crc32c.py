"""CRC-32C checksums of many short texts at once, as TensorBoard's event files need two for each event.

TensorBoard's own function is a loop over bytes in Python. Here all texts are cut into pieces of one length,
whose checksums numpy computes side by side, and a table puts the pieces of a text together.
Castagnoli, Braeuer & Herrmann 1993, https://doi.org/10.1109/26.231911; RFC 3720, B.4.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

PIECE = 64  # bytes
POLYNOMIAL = 0x82F63B78  # reflected
ALL = 0xFFFFFFFF


def masked_crc32c(texts: Sequence[bytes]) -> list[int]:
    """The checksum of each text of at least 4 bytes, as TFRecord files store it."""
    return [(((crc >> 15) | (crc << 17)) + 0xA282EAD8) & ALL for crc in crc32c(texts)]


def crc32c(texts: Sequence[bytes]) -> list[int]:
    """The checksum of each text of at least 4 bytes."""
    if not texts:
        return []
    counts = [-(-len(text) // PIECE) for text in texts]
    padded = bytearray()
    starts = []
    for text, count in zip(texts, counts, strict=True):  # zeros in front change nothing if the register is 0
        padded += bytes(count * PIECE - len(text))
        starts.append(len(padded))
        padded += text
    data = np.frombuffer(padded, np.uint8)
    for byte in range(4):  # which is as a register of ones
        data[np.array(starts) + byte] ^= 0xFF
    pieces = _of_pieces(data.reshape(-1, PIECE)).tolist()
    shift = _shift_table()
    results, first = [], 0
    for count in counts:
        crc = 0
        for piece in pieces[first : first + count]:
            crc = (
                shift[0][crc & 255]
                ^ shift[1][crc >> 8 & 255]
                ^ shift[2][crc >> 16 & 255]
                ^ shift[3][crc >> 24]
                ^ piece
            )
        results.append(crc ^ ALL)
        first += count
    return results


def _of_pieces(data: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """The register after each row `[N, PIECE]`, from 0."""
    table = _table()
    crc = np.zeros(len(data), np.uint32)
    for column in np.ascontiguousarray(data.T):
        crc = table[(crc ^ column) & 255] ^ (crc >> np.uint32(8))
    return crc


@cache
def _table() -> NDArray[np.uint32]:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(POLYNOMIAL), table >> 1).astype(np.uint32)
    return table


@cache
def _shift_table() -> list[list[int]]:
    """What each byte of the register becomes when `PIECE` zeros follow."""
    table = _table()
    rows = []
    for byte in range(4):
        crc = np.arange(256, dtype=np.uint32) << np.uint32(8 * byte)
        for _ in range(PIECE):
            crc = table[crc & 255] ^ (crc >> np.uint32(8))
        rows.append(crc.tolist())
    return rows
