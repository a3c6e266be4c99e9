"""The file of a checkpoint, checked before and after torch reads it: it may come from a stranger.

torch writes an archive without compression. One that is compressed can be a few megabytes of what unpacks to
terabytes, a tensor of a few bytes can be expanded to any shape, and a list can hold itself. What torch calls
for a pickle with `weights_only=True` runs no code of it, but can fill the memory (`bytearray(10**12)`).
"""

from __future__ import annotations

import os
import pickletools
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import torch
from torch import Tensor

MOST_DEPTH = 100  # of nested dicts and lists
MOST_VALUES = 1 << 21  # in all of them
FIRST_BYTES = b"PK\x03\x04"  # torch reads a file that begins otherwise as its older format
END, END_BYTES = b"PK\x05\x06", 22  # the record at the end of an archive without a comment

# What a pickle may call: what makes tensors that hold their values, and containers of what is there already.
_CALLED = frozenset(
    (
        *("collections OrderedDict", "collections Counter", "builtins set", "builtins complex"),
        *("torch Size", "torch device", "torch.nn.parameter Parameter", "_codecs encode"),
        *(f"torch._utils _rebuild_{kind}" for kind in ("tensor", "tensor_v2", "tensor_v3", "parameter")),
        *(str(value).replace(".", " ") for value in vars(torch).values() if isinstance(value, torch.dtype)),
    )
)


class _Value(NamedTuple):
    """An operation of a pickle, with the text or name that it leaves, if any."""

    code: str
    argument: Any


# How a value of bytes is written: in other encodings, a short text can take quadratic time.
_ENCODE = _Value("GLOBAL", "_codecs encode")
_BYTES = (
    *(_ENCODE, _Value("BINUNICODE", "of the bytes"), _Value("BINUNICODE", "latin1")),
    *(_Value("TUPLE2", None), _Value("REDUCE", None)),
)


def check_archive(path: Path) -> int:
    """Check a checkpoint's file before it is read into memory. No part of it is unpacked.

    Returns:
        Its size in bytes.

    Raises:
        FileNotFoundError: If nothing is there.
        ValueError: If it is not a regular file that holds as much as it says; the message says why.
        OSError, zipfile.BadZipFile: If it cannot be read, or is damaged.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    with os.fdopen(descriptor, "rb") as file:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            raise ValueError("not a regular file")
        if facts.st_size > _memory():
            raise ValueError(f"{facts.st_size} bytes are more than this machine's memory")
        with zipfile.ZipFile(file) as parts:
            entries = parts.infolist()
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
                raise ValueError("compressed, as no checkpoint is")
            declared = sum(entry.file_size for entry in entries)
            if declared > facts.st_size or any(entry.file_size != entry.compress_size for entry in entries):
                raise ValueError(f"says that {declared} bytes are in a file of {facts.st_size}")
            broken = parts.testzip()  # torch passes over a wrong checksum
        if broken is not None:
            raise zipfile.BadZipFile(f"wrong checksum of {broken}")
        _check_ends(file, facts.st_size)
        file.seek(0)
        check_pickle(torch._C.PyTorchFileReader(file).get_record("data.pkl"))
    return facts.st_size


def _check_ends(file: BinaryIO, size: int) -> None:
    """Check that torch finds the same archive in the file as `zipfile`."""
    file.seek(0)
    first = file.read(len(FIRST_BYTES))
    file.seek(size - END_BYTES)
    last = file.read()
    if first != FIRST_BYTES or not last.startswith(END) or not last.endswith(b"\0\0"):
        raise ValueError("more than an archive")


def check_pickle(content: bytes) -> None:
    """Check what a checkpoint's pickle calls.

    Raises:
        ValueError: It is damaged, or calls what training writes into no checkpoint.
    """
    called: set[str] = set()
    memo: dict[object, _Value] = {}
    last = _Value("", None)
    written = 0  # how much of a value of bytes has just been read
    for code, argument, _ in pickletools.genops(content):
        if code.name in ("BINPUT", "LONG_BINPUT"):
            memo[argument] = last
            continue
        is_again = code.name in ("BINGET", "LONG_BINGET")
        last = memo.get(argument, _Value("", None)) if is_again else _Value(code.name, argument)
        if last.code == "GLOBAL":
            called.add(str(last.argument).replace("__builtin__", "builtins", 1))
        if written or last == _ENCODE:
            if not _continues(written, last, is_again):
                raise ValueError("encodes text, as no checkpoint does")
            written = (written + 1) % len(_BYTES)
    others = {name for name in called if name not in _CALLED and not _is_storage(name)}
    if others:
        raise ValueError(f"calls {min(others)}, as no checkpoint does")


def _continues(number: int, value: _Value, is_again: bool) -> bool:
    """Whether a value is the next part of bytes as pickle writes them; it shares only texts of a letter."""
    if number == 1:
        return value.code == "BINUNICODE" and (not is_again or len(value.argument) < 2)
    return value == _BYTES[number] and (not is_again or number in (0, 2))


def _is_storage(name: str) -> bool:
    """Whether a name is that of a storage, which is read from the archive."""
    module, _, kind = name.rpartition(" ")
    return module in ("torch", "torch.cuda", "torch.storage") and kind.endswith("Storage")


def check_content(content: Any, size: int) -> None:
    """Check what torch has read: bounded in depth and number, and no tensor larger than its memory.

    Args:
        content: What torch has read.
        size: Bytes of the file, which has held the values of all tensors.

    Raises:
        ValueError: If what computes or copies with it could take more memory than the file did.
    """
    nodes, seen = [(content, 1)], 0
    storages: dict[int, int] = {}  # bytes by address
    while nodes:
        node, depth = nodes.pop()
        seen += 1
        if seen > MOST_VALUES or depth > MOST_DEPTH:
            raise ValueError("nested too deeply, or more values than a checkpoint has")
        if isinstance(node, Tensor):
            if not is_plain(node):
                raise ValueError("holds a tensor that is not a plain one")
            storage = node.untyped_storage()
            storages[storage.data_ptr()] = storage.nbytes()
            if node.numel() * node.element_size() > storage.nbytes():
                raise ValueError(f"holds a tensor of shape {list(node.shape)}, but not its values")
        elif isinstance(node, Mapping):
            nodes += [(part, depth + 1) for pair in node.items() for part in pair]
        elif isinstance(node, (list, tuple, set, frozenset)):
            nodes += [(part, depth + 1) for part in node]
    if sum(storages.values()) > size:
        raise ValueError(f"holds tensors of more bytes than the file's {size}")


def is_plain(tensor: Tensor) -> bool:
    """Whether a tensor is the values that its memory holds."""
    is_strided = tensor.layout == torch.strided and not tensor.is_nested
    return is_strided and not (tensor.is_quantized or tensor.is_meta)


def _memory() -> int:
    """Bytes of this machine's memory; without a limit where it cannot be told."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 1 << 62
