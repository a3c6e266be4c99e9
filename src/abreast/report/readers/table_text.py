"""The text of a table's file: compressed or not, in the encodings that spreadsheets write."""

from __future__ import annotations

import bz2
import io
import lzma
import zipfile
import zlib
from pathlib import Path

from abreast.errors import RunError
from abreast.runs.small_file import MOST_BYTES, read_bytes

SUFFIXES = (
    *(".csv", ".tsv", ".txt", ".tab", ".dat", ".md", ".rst", ".tex", ".json", ".jsonl", ".ndjson"),
    *(".html", ".htm"),
)
COMPRESSED = (".gz", ".bz2", ".xz", ".zip")
KINDS = "CSV, TSV, plain text, Markdown, LaTeX, HTML or JSON, compressed (gz, bz2, xz, zip) or not"
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
    text, rest, is_whole = content, b"", True
    try:
        if content.startswith(b"\x1f\x8b"):
            gzip = zlib.decompressobj(wbits=31)
            text, is_whole = gzip.decompress(content, MOST_BYTES), gzip.eof
        elif content.startswith(b"BZh"):
            bzip = bz2.BZ2Decompressor()
            text, is_whole = bzip.decompress(content, MOST_BYTES), bzip.eof
        elif content.startswith(b"\xfd7zXZ\x00"):
            xz = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MOST_BYTES)
            text, is_whole = xz.decompress(content, MOST_BYTES), xz.eof
        elif content.startswith(b"PK\x03\x04"):
            text, rest = _unzipped(content, path)
            is_whole = not rest
    except (zlib.error, lzma.LZMAError, OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise RunError(f"{path}: cannot be read ({error})") from None
    except (NotImplementedError, RuntimeError) as error:  # an unknown method, or a password
        raise RunError(f"{path}: cannot be read ({error})") from None
    if not is_whole:
        raise RunError(f"{path}: cannot be read (cut off, or larger than {MOST_BYTES >> 20} MiB unpacked)")
    return text


def _unzipped(content: bytes, path: Path) -> tuple[bytes, bytes]:
    """The only file of an archive, and a byte of it that is beyond the most that is read."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        files = [entry for entry in archive.infolist() if not entry.is_dir()]
        if any(entry.filename == "[Content_Types].xml" for entry in files):
            raise RunError(f"{path}: is a sheet of Excel. Save it as CSV")
        if len(files) != 1:
            raise RunError(f"{path}: holds {len(files)} files. Give one table, or unpack them into a folder")
        with archive.open(files[0]) as file:
            return file.read(MOST_BYTES), file.read(1)
