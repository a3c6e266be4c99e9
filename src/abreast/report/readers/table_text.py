"""The text of a table's file: compressed or not, in the encodings that spreadsheets write."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from pathlib import Path
from typing import IO

from abreast.errors import RunError
from abreast.runs.small_file import MOST_BYTES, read_bytes

SUFFIXES = (
    *(".csv", ".tsv", ".txt", ".tab", ".dat", ".md", ".rst", ".tex", ".json", ".jsonl", ".ndjson"),
    *(".html", ".htm"),
)
COMPRESSED = (".gz", ".bz2", ".xz", ".zip")
KINDS = "CSV, TSV, plain text, Markdown, LaTeX, HTML or JSON, compressed (gz, bz2, xz, zip) or not"
MOST_STREAMS = 1_000  # of one file of xz, one after the other
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def is_table(path: Path) -> bool:
    """Whether a file has the name of a table that can be read."""
    name = bare_name(path)
    return name.endswith(SUFFIXES) or (name != path.name.lower() and "." not in name)


def bare_name(path: Path) -> str:
    """The name of a file in lower case, without the suffix of what compressed it."""
    name = path.name.lower()
    return next((name.removesuffix(suffix) for suffix in COMPRESSED if name.endswith(suffix)), name)


def read_table_text(path: Path) -> str:
    """The text of a file: UTF-8, else UTF-16 with its mark, else the encoding of Western Windows.

    Raises:
        RunError: It is not text, or too large; the message names the file.
    """
    content = _unpacked(read_bytes(path), path)
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
    """What a file holds; a bomb is unpacked no further than to the most that is read."""
    text, rest = content, b""
    try:
        if content.startswith(b"\x1f\x8b"):
            text, rest = _first_bytes(gzip.GzipFile(fileobj=io.BytesIO(content)))
        elif content.startswith(b"BZh"):
            text, rest = _first_bytes(bz2.BZ2File(io.BytesIO(content)))
        elif content.startswith(b"\xfd7zXZ\x00"):
            text, rest = _of_xz(content, path)
        elif content.startswith(b"PK\x03\x04"):
            text, rest = _unzipped(content, path)
    except (zlib.error, lzma.LZMAError, OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise RunError(f"{path}: cannot be read ({error})") from None
    except (NotImplementedError, RuntimeError) as error:  # an unknown method, or a password
        raise RunError(f"{path}: cannot be read ({error})") from None
    if rest:
        raise RunError(f"{path}: cannot be read (larger than {MOST_BYTES >> 20} MiB unpacked)")
    return text


def _first_bytes(file: io.BufferedIOBase | IO[bytes]) -> tuple[bytes, bytes]:
    """A file up to the most that is read, and a byte that is beyond."""
    with file:
        return file.read(MOST_BYTES), file.read(1)


def _of_xz(content: bytes, path: Path) -> tuple[bytes, bytes]:
    """As `_first_bytes`, with bounded memory, which `LZMAFile` does not have."""
    texts: list[bytes] = []
    size, count = 0, 0
    while content and size <= MOST_BYTES:
        stream = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MOST_BYTES)
        texts.append(stream.decompress(content, MOST_BYTES + 1 - size))
        size, count = size + len(texts[-1]), count + 1
        if size <= MOST_BYTES and not stream.eof:
            raise EOFError("cut off")
        if count > MOST_STREAMS:
            raise RunError(f"{path}: holds more than {MOST_STREAMS} compressed files. Unpack and join them")
        content = stream.unused_data.lstrip(b"\0")
    text = b"".join(texts)
    return text[:MOST_BYTES], text[MOST_BYTES:]


def _unzipped(content: bytes, path: Path) -> tuple[bytes, bytes]:
    """The only file of an archive, and a byte of it that is beyond the most that is read."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        files = [entry for entry in archive.infolist() if not entry.is_dir()]
        if any(entry.filename == "[Content_Types].xml" for entry in files):
            raise RunError(f"{path}: is a sheet of Excel. Save it as CSV")
        if len(files) != 1:
            raise RunError(f"{path}: holds {len(files)} files. Give one table, or unpack them into a folder")
        return _first_bytes(archive.open(files[0]))
