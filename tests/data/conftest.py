"""Fixtures of the data tests: files in the IDX format, and a server on the loopback interface."""

from __future__ import annotations

import gzip
import os
import struct
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

CODES = {"uint8": 0x08, "int8": 0x09, "int16": 0x0B, "int32": 0x0C, "float32": 0x0D, "float64": 0x0E}


def idx_bytes(array):
    """The IDX format, written from its description in `struct`, not with the reader's tables."""
    header = struct.pack(">HBB", 0, CODES[array.dtype.name], array.ndim)
    sizes = b"".join(struct.pack(">I", n) for n in array.shape)
    return header + sizes + array.astype(array.dtype.newbyteorder(">")).tobytes()


@pytest.fixture(name="idx_bytes", scope="session")
def idx_bytes_fixture():
    return idx_bytes


@pytest.fixture
def write_idx(tmp_path):
    """write_idx(name, array) -> path of an IDX file; gzip if the name ends in .gz."""

    def write(name, array):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = idx_bytes(np.asarray(array))
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return path

    return write


@pytest.fixture(scope="session")
def family():
    """Arrays of a tiny data set of the MNIST family, under torchvision's file names."""
    rng = np.random.default_rng(0)
    return {
        "train-images-idx3-ubyte": rng.integers(0, 256, (20, 28, 28), np.uint8),
        "train-labels-idx1-ubyte": np.arange(20, dtype=np.uint8) % 10,
        "t10k-images-idx3-ubyte": rng.integers(0, 256, (10, 28, 28), np.uint8),
        "t10k-labels-idx1-ubyte": np.arange(10, dtype=np.uint8),
    }


@pytest.fixture(scope="session")
def real_mnist():
    root = os.environ.get("ABREAST_DATA")
    if not root:
        pytest.skip("ABREAST_DATA names no folder with the real MNIST files (MNIST/raw/*-ubyte)")
    if not (Path(root) / "MNIST" / "raw").is_dir():
        pytest.skip(f"ABREAST_DATA={root} has no MNIST/raw")
    return Path(root)


class Server:
    """Serves `files` by name. `behave` maps a name to a status, or to a function of the handler."""

    def __init__(self):
        self.files = {}
        self.behave = {}
        self.asked = []
        self.delay = 0.0
        self.closing = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                name = self.path.lstrip("/")
                outer.asked.append(name)
                time.sleep(outer.delay)
                act = outer.behave.get(name.rpartition("/")[2], 200)
                if callable(act):
                    return act(self)
                body = outer.files.get(name) if act == 200 else None
                if body is None:
                    return self.send_error(act if act != 200 else 404)
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                return self.wfile.write(body)

            def log_message(self, *args):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def close(self):
        self.closing.set()
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    running = Server()
    yield running
    running.close()
