"""The cache of chosen forms is only a memory: damaged or out of reach, it changes nothing else."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from abreast.stacking import product_cache
from abreast.stacking.product_cache import FILE, ProductCache

FORMS = ("a", "b", "c")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache's folder, which is not there yet."""
    monkeypatch.setenv("ABREAST_CACHE", str(tmp_path / "not yet" / "cache"))
    return tmp_path / "not yet" / "cache"


def content(**more: Any) -> str:
    """The text of a file."""
    return json.dumps({"forms": FORMS, **more})


def add_many(number: int) -> list[str]:
    """Another process chooses."""
    cache = ProductCache(FORMS)
    return [cache.add("card", str(shape), FORMS[number % 3]) for shape in range(10)]


def test_the_first_form_stays(folder: Path) -> None:
    cache = ProductCache(FORMS)
    assert cache.get("card", "shape") is None
    assert cache.add("card", "shape", "a") == "a"
    assert cache.add("card", "shape", "b") == "a"
    assert cache.add("card", "shape", "b", replaces="c") == "a"
    assert ProductCache(FORMS).get("card", "shape") == "a"
    assert cache.add("card", "shape", "b", replaces="a") == "b"
    assert cache.get("card", "shape") == "b"
    assert cache.get("card", "other") is cache.get("other", "shape") is None
    assert ProductCache((*FORMS, "new")).get("card", "shape") is None  # it was not among those compared
    assert folder.stat().st_mode & 0o777 == 0o700


def test_processes_agree(folder: Path) -> None:
    with ProcessPoolExecutor(3, get_context("fork")) as pool:
        answers = [*pool.map(add_many, range(9))]
    assert all(answer == answers[0] for answer in answers)
    assert [ProductCache(FORMS).get("card", str(shape)) for shape in range(10)] == answers[0]
    assert [file.name for file in folder.iterdir()] == [FILE]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "3",
        "[" * 100_000,
        "\\ud800",
        content(),
        content(products=[]),
        content(products={"card": 3}),
        content(products={"card": {"shape": ["a"]}}),
        content(products={"card": {"shape": "os.system"}}),
        content(products={"card": {"shape": "a"}}) + " " * product_cache.MOST_BYTES,
        json.dumps({"forms": {"a": 1}, "products": {"card": {"shape": "a"}}}),
    ],
    ids=lambda text: text[:40],
)
def test_a_damaged_file_is_replaced(text: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(product_cache, "_card", lambda device: device)
    folder.mkdir(parents=True)
    (folder / FILE).write_text(text)
    cache = ProductCache(FORMS)
    assert cache.get("card", "shape") is None
    assert cache.add("card", "shape", "b") == "b"
    assert cache.get("card", "shape") == "b"


def link(file: Path) -> None:
    file.with_name("elsewhere").write_text("of value")
    file.symlink_to(file.with_name("elsewhere"))


def bind(file: Path) -> None:
    os.chdir(file.parent)  # the names of sockets are short
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(file.name)


@pytest.mark.parametrize(
    "put", [Path.mkdir, os.mkfifo, link, bind, lambda file: file.write_bytes(b"\xff\xfe\0")]
)
def test_what_is_no_file_of_text_is_passed_over(
    put: Callable[[Path], object], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.parents[1])
    folder.mkdir(parents=True)
    put(folder / FILE)
    cache = ProductCache(FORMS)
    assert cache.get("card", "shape") is None
    assert cache.add("card", "shape", "b") == "b"
    elsewhere = folder / "elsewhere"
    assert not elsewhere.exists() or elsewhere.read_text() == "of value"


@pytest.mark.parametrize(
    "place", ["/dev/null", "/dev/null/x", "/proc/none", "file", "off", "OFF", "~nobody-x/"]
)
def test_a_folder_that_cannot_be_written_changes_nothing(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    monkeypatch.setenv("ABREAST_CACHE", place)
    cache = ProductCache(FORMS)
    assert cache.add("card", "shape", "b") == "b"
    assert cache.get("card", "shape") is None
    assert [*tmp_path.iterdir()] == [tmp_path / "file"]


def test_a_full_cache_is_read_and_added_to(folder: Path) -> None:
    shapes = {f"{number:,} x {'9' * 130}": "a" for number in range(product_cache.MOST_SHAPES)}
    cards = {f"{number} {'card ' * 20}": shapes for number in range(product_cache.MOST_CARDS)}
    folder.mkdir(parents=True)
    (folder / FILE).write_text(content(products=cards))
    cache = ProductCache(FORMS)
    assert cache.add("new", "shape", "b") == "b"
    kept = json.loads((folder / FILE).read_text())["products"]
    assert [*kept][:-1] == [*cards][1:]
    assert all(of_card == shapes for of_card in [*kept.values()][:-1])


def test_what_is_old_is_forgotten(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(product_cache, "MOST_SHAPES", 3)
    monkeypatch.setattr(product_cache, "MOST_CARDS", 2)
    cache = ProductCache(FORMS)
    for card in ("old", "first", "second"):
        for shape in range(4):
            cache.add(card, str(shape), "a")
    assert [cache.get("second", str(shape)) for shape in range(4)] == [None, "a", "a", "a"]
    assert [cache.get(card, "3") for card in ("old", "first")] == [None, "a"]
