"""The text of a table's file: compressed or not, in the encodings that spreadsheets write."""

from __future__ import annotations

import zlib
from pathlib import Path

from abreast.errors import RunError
from abreast.runs.small_file import MOST_BYTES, read_bytes

SUFFIXES = (".csv", ".tsv", ".txt", ".tab", ".dat", ".md", ".tex", ".json", ".jsonl")
KINDS = "CSV, TSV, plain text, Markdown, LaTeX or JSON, gzipped or not"
_GZIP = b"\x1f\x8b"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def is_table(path: Path) -> bool:
    """Whether a file has the name of a table that can be read."""
    name = path.name.lower().removesuffix(".gz")
    return name.endswith(SUFFIXES)


def read_table_text(path: Path) -> str:
    """The text of a file: UTF-8, else UTF-16 with its mark, else the encoding of Western Windows.

    Raises:
        RunError: It is not text, or too large; the message names the file.
    """
    content = read_bytes(path)
    if content.startswith(_GZIP):
        content = _unpacked(content, path)
    encodings = ("utf-16",) if content.startswith(_UTF_16) else ("utf-8-sig", "cp1252")
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text.replace("\r\n", "\n").replace("\r", "\n")
    raise RunError(f"{path}: cannot be read (not text). A table is {KINDS}")


def _unpacked(content: bytes, path: Path) -> bytes:
    unpack = zlib.decompressobj(wbits=31)
    try:
        text = unpack.decompress(content, MOST_BYTES)
    except zlib.error as error:
        raise RunError(f"{path}: cannot be read ({error})") from None
    if not unpack.eof:
        raise RunError(f"{path}: cannot be read (cut off, or larger than {MOST_BYTES >> 20} MiB unpacked)")
    return text
