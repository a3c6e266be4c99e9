"""Checkpoints that are more than they seem: each is refused before it fills the memory."""

from __future__ import annotations

import codecs
import io
import subprocess
import sys
import time
import zipfile
from collections import Counter, OrderedDict
from collections.abc import Callable
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from abreast.errors import RunError
from abreast.learner import checkpoint
from abreast.learner.checkpoint_file import check_pickle
from support.odd_files import circle, endless, fifo, sparse

SIZE = 1 << 30


def deflated(path: Path) -> None:
    """A gigabyte of zeros in a few megabytes."""
    path.write_bytes(bomb())


@cache
def bomb() -> bytes:
    path = io.BytesIO()
    torch.save({"state_dict": {}}, path)
    with zipfile.ZipFile(path) as old:
        parts = {entry.filename: old.read(entry) for entry in old.infolist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as new:
        for name, content in parts.items():
            new.writestr(name, content)
        with new.open("archive/data/0", "w") as part:
            for _ in range(SIZE >> 24):
                part.write(bytes(1 << 24))
    return path.getvalue()


def overlapping(path: Path) -> None:
    """Many entries for the same bytes."""
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data/0", bytes(1 << 16))
        first = file.infolist()[0]
        for number in range(1, 100):
            more = zipfile.ZipInfo(f"archive/data/{number}")
            more.header_offset, more.file_size, more.compress_size = 0, first.file_size, first.compress_size
            more.CRC = first.CRC
            file.filelist.append(more)
            file.NameToInfo[more.filename] = more


@pytest.mark.parametrize(
    "make", [deflated, fifo, endless, circle, sparse, overlapping], ids=lambda f: f.__name__
)
def test_files_that_are_more_than_they_seem(make: Callable[[Path], None], tmp_path: Path) -> None:
    path = tmp_path / "best.ckpt"
    try:
        make(path)
    except OSError:
        pytest.skip("the file system has no such files")
    began = time.process_time()
    with pytest.raises(RunError, match=r"best\.ckpt") as error:
        checkpoint.load(path)
    assert time.process_time() - began < 1
    assert "\n" not in str(error.value)


def test_a_plain_reader_unpacks_a_bomb(tmp_path: Path) -> None:
    path = tmp_path / "best.ckpt"
    deflated(path)
    assert path.stat().st_size < SIZE / 100
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_AS, ({SIZE}, {SIZE}))"
    code = f"{limit}; import sys, zipfile; zipfile.ZipFile(sys.argv[1]).read('archive/data/0')"
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True)
    assert "MemoryError" in done.stderr


def nested() -> Any:
    content: Any = []
    for _ in range(150):
        content = [content]
    return content


def laughs() -> Any:
    content: Any = [0] * 10
    for _ in range(20):
        content = [content] * 10
    return content


CONTENTS: dict[str, Callable[[], Any]] = {
    "an expanded tensor": lambda: torch.zeros(1).expand(1 << 40),
    "overlapping rows": lambda: torch.zeros(1 << 10).as_strided((1 << 20, 1 << 9), (0, 1)),
    "a sparse tensor": lambda: torch.sparse_coo_tensor(
        torch.zeros(1, 1, dtype=torch.long), [1.0], (1 << 40,)
    ),
    "a meta tensor": lambda: torch.empty(1 << 40, device="meta"),
    "deep lists": nested,
    "lists of the same list": laughs,
}


@pytest.mark.filterwarnings("ignore:.*[sS]parse .*invariant")
@pytest.mark.timeout(120)
@pytest.mark.parametrize("place", ["state_dict", "optimizer_states", "callbacks"])
@pytest.mark.parametrize("kind", CONTENTS)
def test_contents_that_grow(kind: str, place: str, tmp_path: Path) -> None:
    path = tmp_path / "best.ckpt"
    torch.save({"state_dict": {}, place: {"x": CONTENTS[kind]()}}, path)
    assert path.stat().st_size < 1 << 20
    assert torch.load(path, weights_only=True)[place].keys() == {"x"}  # a plain reader lets it pass
    with pytest.raises(RunError, match=r"best\.ckpt: not a checkpoint that can be loaded safely"):
        checkpoint.load(path)  # at once: to walk through all of it would take years


class Call:
    """Is pickled as a call."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call


TEXT = "a text that is written once, and would be copied with every call"
CALLS: dict[str, tuple[Any, str]] = {
    "a byte array": (Call(bytearray, 1 << 12), "calls builtins bytearray, as no checkpoint does"),
    "a tensor without values": (Call(torch.FloatTensor, 1 << 12), "calls torch FloatTensor"),
    "a storage without values": (
        Call(
            torch._utils._rebuild_tensor_v2,
            *(Call(torch.storage.TypedStorage, 1 << 12), 0, (1 << 12,), (1,), False, {}),
        ),
        "holds tensors of more bytes than the file's",
    ),
    **{
        f"the encoding {name!r}": (Call(codecs.encode, "\u0100\u4e00", name), "encodes text")
        for name in ("punycode", "-punycode", "PUNYCODE_", "idna", "idna_", "utf-8", "unicode_escape")
    },
    "an encoding that is not told": (Call(codecs.encode, "text"), "encodes text"),
    "a slow encoding behind bytes": (
        [b"\xff", "latin1", Call(codecs.encode, "\u0100", "idna")],
        "encodes text",
    ),
    "the same text again": (
        [Call(codecs.encode, TEXT, "latin1"), Call(codecs.encode, TEXT, "latin1")],
        "encodes text",
    ),
    "a function within a list": ([codecs.encode], "encodes text"),
    "the attributes of an object": (
        Call(torch._tensor._rebuild_from_type_v2, OrderedDict, OrderedDict, (), {"items": torch.Size}),
        "calls torch._tensor _rebuild_from_type_v2",
    ),
}


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
@pytest.mark.parametrize("kind", CALLS)
def test_calls_that_torch_allows(kind: str, tmp_path: Path) -> None:
    """They are small here; a plain reader does them at any size."""
    path = tmp_path / "best.ckpt"
    torch.save({"state_dict": {}, "x": CALLS[kind][0]}, path)
    assert len(torch.load(path, weights_only=True)) == 2
    with pytest.raises(RunError, match=rf"best\.ckpt: .* safely \({CALLS[kind][1]}"):
        checkpoint.load(path)


@pytest.mark.parametrize("at_start", [True, False])
def test_an_archive_within_another_file(at_start: bool, tmp_path: Path) -> None:
    """torch takes it for its older format, or may find another archive in it than was checked."""
    path = tmp_path / "best.ckpt"
    torch.save({"state_dict": {}}, path)
    content = path.read_bytes()
    path.write_bytes(b"older" + content if at_start else content + b"later")
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
    with pytest.raises(RunError, match=r"best\.ckpt: .* \(more than an archive\)"):
        checkpoint.load(path)


def test_what_torch_writes_passes(tmp_path: Path) -> None:
    weights = {"w": torch.ones(3, 4), "t": torch.ones(4, 3).T, "e": torch.empty(0), "s": torch.tensor(1.0)}
    content = {"state_dict": weights, "optimizer_states": [{"state": {0: {"m": torch.ones(12)[::2]}}}]}
    checkpoint.write(tmp_path / "x.ckpt", content)
    assert torch.equal(checkpoint.load(tmp_path / "x.ckpt")["state_dict"]["t"], weights["t"])


def test_what_callbacks_may_keep_passes(tmp_path: Path) -> None:
    kept = [
        *(
            b"\xff",
            b"\xff\xfe",
            b"latin1",
            b"a",
            b"a",
            "idna",
            "punycode",
            "latin1",
            {1},
            1j,
            Counter("ab"),
            OrderedDict(a=1),
            torch.Size([1]),
            torch.device("cpu"),
        ),
        *(torch.float16, nn.Parameter(torch.ones(2)), 10**40, None, (1, "text")),
    ]
    tensors = [torch.ones(3).to(kind) for kind in (torch.bfloat16, torch.uint16, torch.bool, torch.cfloat)]
    checkpoint.write(tmp_path / "x.ckpt", {"state_dict": {}, "callbacks": kept, "tensors": tensors})
    content = checkpoint.load(tmp_path / "x.ckpt")
    assert [value for value in content["callbacks"] if not isinstance(value, nn.Parameter)] == [
        value for value in kept if not isinstance(value, nn.Parameter)
    ]
    assert all(map(torch.equal, content["tensors"], tensors))


@pytest.mark.parametrize(
    ("operations", "passes"),
    [
        (b"c_codecs\nencode\nTEXT LATIN1 \x86R", True),
        (b"c_codecs\nencode\nq\0TEXT LATIN1 q\2\x86q\1Rq\1h\0TEXT h\2\x86R\x86", True),
        (b"c_codecs\nencode\nTEXT SLOW \x86R", False),
        (b"LATIN1 q\1SLOW q\1c_codecs\nencode\nTEXT h\1\x86R\x87", False),  # the memo is overwritten
        (b"LATIN1 r\1\0\0\0SLOW r\1\0\0\0c_codecs\nencode\nTEXT j\1\0\0\0\x86R\x87", False),
        (b"c_codecs\nencode\nTEXT U\x08punycode\x86R", False),
        (b"c_codecs\nencode\nq\0h\0TEXT SLOW \x86R\x86", False),
        (b"TEXT SLOW \x86q\1c_codecs\nencode\nh\1R\x86", False),  # both arguments from the memo
        (b"c_codecs\nencode\n(TEXT SLOW tR", False),
        (b"c_codecs\nencode\n(TEXT LATIN1 tR", False),  # pickle does not write it so
        (b"c_codecs\nencode\nTEXT SLOW LATIN1 \x86\x86R", False),
    ],
)
def test_bytes_are_read_as_pickle_writes_them(operations: bytes, passes: bool) -> None:
    for name, text in (("TEXT ", "\xff\xfe"), ("LATIN1 ", "latin1"), ("SLOW ", "punycode")):
        encoded = text.encode()
        operations = operations.replace(name.encode(), b"X" + len(encoded).to_bytes(4, "little") + encoded)
    with nullcontext() if passes else pytest.raises(ValueError, match="encodes text"):
        check_pickle(b"\x80\2" + operations + b".")
