"""The download of one file: whole and checked, or an error that says why, and nothing left behind."""

from __future__ import annotations

import errno
import hashlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from abreast.data.download import download
from abreast.errors import DataError
from support.servers import Server

pytestmark = pytest.mark.network_server

BODY = bytes(range(256)) * 1000
MD5 = hashlib.md5(BODY).hexdigest()


@pytest.fixture
def closed_port() -> Iterator[Any]:
    """The address of a port on which nobody listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{one.getsockname()[1]}"


def fails(mirrors: Any, target: Path, name: str = "a.gz", **seconds: Any) -> Any:
    with pytest.raises(DataError) as raised:
        download(name, MD5, mirrors, target, **seconds)
    assert list(target.parent.iterdir()) == []
    return str(raised.value)


@pytest.mark.parametrize("slash", ["", "/"])
def test_good_file(server: Server, tmp_path: Path, slash: str) -> None:
    server.files["sub/a.gz"] = BODY
    download("a.gz", MD5, [server.url + "/sub" + slash], tmp_path / "a.gz")
    assert (tmp_path / "a.gz").read_bytes() == BODY
    assert [path.name for path in tmp_path.iterdir()] == ["a.gz"]


def test_without_a_length(server: Server, tmp_path: Path) -> None:
    def act(handler: Any) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(BODY)

    server.behave["a.gz"] = act
    download("a.gz", MD5, [server.url], tmp_path / "a.gz")
    assert (tmp_path / "a.gz").read_bytes() == BODY


def test_a_local_mirror(tmp_path: Path) -> None:
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "a.gz").write_bytes(BODY)
    download("a.gz", MD5, [(tmp_path / "mirror").as_uri()], tmp_path / "a.gz")
    assert (tmp_path / "a.gz").read_bytes() == BODY


@pytest.mark.parametrize("status", [403, 404, 500])
def test_http_errors_then_the_next_mirror(server: Server, tmp_path: Path, status: int) -> None:
    server.files.update({"good/a.gz": BODY})
    target = tmp_path / "a.gz"
    said = fails([server.url + "/bad1", server.url + "/bad2"], target)
    assert said.splitlines()[0] == "No mirror gave a.gz:"
    assert said.splitlines()[1] == f"  {server.url}/bad1/a.gz: HTTP 404 Not Found"
    assert said.splitlines()[2] == f"  {server.url}/bad2/a.gz: HTTP 404 Not Found"
    server.behave["a.gz"] = status
    assert f"HTTP {status}" in fails([server.url], target)
    del server.behave["a.gz"]
    download("a.gz", MD5, [server.url + "/bad1", server.url + "/good"], target)
    assert target.read_bytes() == BODY


def test_wrong_checksum_then_the_next_mirror(server: Server, tmp_path: Path) -> None:
    server.files = {"bad/a.gz": BODY[1:], "good/a.gz": BODY}
    target = tmp_path / "a.gz"
    said = fails([server.url + "/bad"], target)
    found = hashlib.md5(BODY[1:]).hexdigest()
    assert f"wrong checksum: md5 {found} of {len(BODY) - 1} bytes, expected {MD5}" in said
    download("a.gz", MD5, [server.url + "/bad", server.url + "/good"], target)
    assert target.read_bytes() == BODY


def test_cut_off(server: Server, tmp_path: Path) -> None:
    def act(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(BODY)))
        handler.end_headers()
        handler.wfile.write(BODY[:1000])

    server.behave["a.gz"] = act
    assert f"cut off: 1000 of {len(BODY)} bytes" in fails([server.url], tmp_path / "a.gz")


def test_stalled_in_the_body(server: Server, tmp_path: Path) -> None:
    def act(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(BODY)))
        handler.end_headers()
        handler.wfile.write(BODY[:1000])
        server.closing.wait(30)

    server.behave["a.gz"] = act
    start = time.monotonic()
    said = fails([server.url], tmp_path / "a.gz", stall=1.0)
    assert "stalled: nothing came for 1 s after 1000 bytes" in said
    assert time.monotonic() - start < 20


def test_no_answer(server: Server, tmp_path: Path) -> None:
    server.behave["a.gz"] = lambda handler: server.closing.wait(30)
    start = time.monotonic()
    assert "no answer within 0.3 s" in fails([server.url], tmp_path / "a.gz", answer=0.3)
    assert "stalled: nothing came for 0.3 s after 0" in fails([server.url], tmp_path / "a.gz", stall=0.3)
    assert time.monotonic() - start < 20


def test_dripping(server: Server, tmp_path: Path) -> None:
    def act(handler: Any) -> None:
        handler.send_response(200)
        handler.end_headers()
        while not server.closing.wait(0.05):
            handler.wfile.write(b"x")
            handler.wfile.flush()

    server.behave["a.gz"] = act
    start = time.monotonic()
    assert "bytes in 0.4 s" in fails([server.url], tmp_path / "a.gz", total=0.4)
    assert time.monotonic() - start < 20
    server.closing.set()


def test_no_network(tmp_path: Path, closed_port: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    start = time.monotonic()
    assert f"{closed_port}/a.gz: [Errno {errno.ECONNREFUSED}]" in fails([closed_port], tmp_path / "a.gz")

    def unknown(*args: Any, **kwargs: Any) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert "Name or service not known" in fails(["http://host.invalid"], tmp_path / "a.gz")
    assert time.monotonic() - start < 20


def test_a_name_look_up_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    over = threading.Event()

    def hang(*args: Any, **kwargs: Any) -> None:
        over.wait(30)
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    start = time.monotonic()
    said = fails(["http://one.invalid", "http://two.invalid"], tmp_path / "a.gz", answer=0.2)
    over.set()
    assert said.count("no answer within 0.2 s") == 2
    assert time.monotonic() - start < 20


@pytest.mark.parametrize("mirror", ["", "mirror", "htp://host", "http://", "http://[", "http://a b/"])
def test_odd_mirrors(tmp_path: Path, mirror: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    said = fails([mirror], tmp_path / "a.gz")
    assert said.startswith("No mirror gave a.gz:\n  ")
    assert "no answer" not in said  # the mistake is told at once


def test_no_mirrors(tmp_path: Path) -> None:
    assert "(there are none)" in fails([], tmp_path / "a.gz")


@pytest.mark.parametrize(
    ("what", "code", "said"),
    [("fsync", errno.ENOSPC, "No space left on device"), ("fsync", errno.EDQUOT, "quota exceeded")],
)
def test_full_disk(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, code: Any, said: str
) -> None:
    server.files["a.gz"] = BODY

    def full(*args: Any) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, what, full)
    text = fails([server.url, server.url], tmp_path / "a.gz")
    assert text.startswith(f"Cannot write {tmp_path / 'a.gz'}: ")
    assert said in text
    assert server.asked == ["a.gz"]  # another mirror does not mend the disk


def test_folder_that_cannot_be_written(server: Server, tmp_path: Path) -> None:
    server.files["a.gz"] = BODY
    with pytest.raises(DataError, match=r"Cannot write .*No such file or directory"):
        download("a.gz", MD5, [server.url], tmp_path / "missing" / "a.gz")


def test_target_in_use_is_replaced_whole(server: Server, tmp_path: Path) -> None:
    target = tmp_path / "a.gz"
    target.write_bytes(b"old")
    server.files["a.gz"] = BODY[1:]
    with pytest.raises(DataError):
        download("a.gz", MD5, [server.url], target)
    assert target.read_bytes() == b"old"
    server.files["a.gz"] = BODY
    with target.open("rb") as reader:
        download("a.gz", MD5, [server.url], target)
        assert reader.read() == b"old"
    assert target.read_bytes() == BODY
