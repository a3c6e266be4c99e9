"""Checkpoints that are more than they seem: each is refused before it fills the memory."""

from __future__ import annotations

import io
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from abreast.errors import RunError
from abreast.learner import checkpoint
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


def test_what_torch_writes_passes(tmp_path: Path) -> None:
    weights = {"w": torch.ones(3, 4), "t": torch.ones(4, 3).T, "e": torch.empty(0), "s": torch.tensor(1.0)}
    content = {"state_dict": weights, "optimizer_states": [{"state": {0: {"m": torch.ones(12)[::2]}}}]}
    checkpoint.write(tmp_path / "x.ckpt", content)
    assert torch.equal(checkpoint.load(tmp_path / "x.ckpt")["state_dict"]["t"], weights["t"])
