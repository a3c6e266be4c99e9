"""Finding the four files in every layout, and downloading them once, whoever asks."""

from __future__ import annotations

import gzip
import hashlib
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from abreast.data import files
from abreast.data.files import NAMES, expand, obtain
from abreast.errors import ConfigError, DataError
from abreast.runtime.directory_lock import locked
from support.servers import Server


def put(folder: Path, contents: Any, suffix: str = "", dotted: bool = False) -> Any:
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, data in contents.items():
        path = folder / ((name.replace("-idx", ".idx") if dotted else name) + suffix)
        path.write_bytes(gzip.compress(data, mtime=0) if suffix else data)
        paths.append(path)
    return paths


@pytest.fixture
def contents(family: Any, idx_bytes: Any) -> Any:
    return {name: idx_bytes(array) for name, array in family.items()}


@pytest.fixture
def offered(server: Server, contents: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The server, with the four files as .gz, and their checksums in place of torchvision's."""
    server.files = {f"{name}.gz": gzip.compress(data, mtime=0) for name, data in contents.items()}
    server.sums = {name: hashlib.md5(data).hexdigest() for name, data in server.files.items()}
    monkeypatch.setattr(files, "_torchvision", lambda name: ([server.url], server.sums))
    return server


@pytest.mark.parametrize("dotted", [False, True])
@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("layout", ["MNIST/raw", "raw", ""])
def test_files_on_the_disk_are_used(
    tmp_path: Path, contents: Any, layout: str, suffix: str, dotted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_download", None)
    paths = put(tmp_path / layout, contents, suffix, dotted)
    before = sorted(tmp_path.rglob("*"))
    assert obtain("MNIST", str(tmp_path)) == paths
    assert sorted(tmp_path.rglob("*")) == before


def test_the_first_complete_folder_wins_and_folders_are_never_mixed(
    tmp_path: Path, contents: Any, offered: Any
) -> None:
    own, flat = tmp_path / "MNIST" / "raw", tmp_path
    flat_paths = put(flat, contents)
    own_paths = put(own, contents, ".gz")
    assert obtain("MNIST", tmp_path) == own_paths
    own_paths[0].unlink()
    assert obtain("MNIST", tmp_path) == flat_paths
    flat_paths[1].unlink()
    assert obtain("MNIST", tmp_path) == own_paths
    assert offered.asked == [own_paths[0].name]  # what was there is kept
    put(own, contents)
    assert [path.suffix for path in obtain("MNIST", tmp_path)] == [""] * 4  # raw reads faster than .gz


def test_a_folder_of_the_same_name_is_no_file(
    tmp_path: Path, contents: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As one well-known archive of MNIST unpacks: name-idx3-ubyte/name-idx3-ubyte beside name.idx3-ubyte.
    paths = put(tmp_path, contents, dotted=True)
    for name in NAMES:
        (tmp_path / name).mkdir()
    assert obtain("MNIST", tmp_path) == paths


@pytest.mark.network_server
@pytest.mark.parametrize("name", ["MNIST", "FashionMNIST"])
def test_download_into_torchvisions_layout(tmp_path: Path, offered: Any, name: str) -> None:
    paths = obtain(name, tmp_path / "new" / "data")
    assert paths == [tmp_path / "new" / "data" / name / "raw" / f"{file}.gz" for file in NAMES]
    assert {path.name: path.read_bytes() for path in paths} == offered.files
    assert not [path for path in paths[0].parent.iterdir() if path.suffix not in (".gz", ".lock", "")]
    obtain(name, tmp_path / "new" / "data")
    assert len(offered.asked) == 4


@pytest.mark.network_server
@pytest.mark.parametrize("kind", [str, list, tuple])
def test_mirrors_override(tmp_path: Path, offered: Any, kind: Any) -> None:
    offered.files = {f"mine/{name}": data for name, data in offered.files.items()}
    mirror = f"{offered.url}/mine"
    obtain("MNIST", tmp_path, mirror if kind is str else kind([mirror]))
    assert all(asked.startswith("mine/") for asked in offered.asked)


@pytest.mark.network_server
def test_the_error_says_all_there_is_to_know(tmp_path: Path, offered: Any, contents: Any) -> None:
    del offered.files["t10k-images-idx3-ubyte.gz"]
    put(tmp_path, dict(list(contents.items())[:3]))
    with pytest.raises(DataError) as raised:
        obtain("MNIST", tmp_path, [f"{offered.url}/x", offered.url])
    home = tmp_path / "MNIST" / "raw"
    # Everything is asked of /x first (404), then of the root.
    assert str(raised.value).splitlines() == [
        "MNIST is not on this machine and cannot be downloaded.",
        "Looked for its four files in:",
        f"  {home}: no t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte",
        f"  {tmp_path / 'raw'}: no such folder",
        f"  {tmp_path}: no t10k-labels-idx1-ubyte",
        "No mirror gave t10k-images-idx3-ubyte.gz:",
        f"  {offered.url}/x/t10k-images-idx3-ubyte.gz: HTTP 404 Not Found",
        f"  {offered.url}/t10k-images-idx3-ubyte.gz: HTTP 404 Not Found",
        f"Put the four files, raw or .gz, into {home}, or name the folder that has them: data.dir=FOLDER",
    ]
    with pytest.raises(DataError, match="raw: no t10k-images"):
        obtain("MNIST", tmp_path)  # what came is kept, and the lock is free
    put(tmp_path / "raw", {"other": b""})
    with pytest.raises(DataError, match="raw: none of them"):
        obtain("MNIST", tmp_path)


@pytest.mark.network_server
@pytest.mark.parametrize("blocked", ["", "MNIST", "MNIST/raw"])
def test_folders_that_cannot_be_made(tmp_path: Path, offered: Any, blocked: str) -> None:
    root = tmp_path / "data"
    (root / blocked).parent.mkdir(parents=True, exist_ok=True)
    (root / blocked).write_text("a file")
    with pytest.raises(DataError, match=r"Cannot use .*MNIST/raw for MNIST: .*data\.dir=FOLDER"):
        obtain("MNIST", root)


def test_read_only_folder(tmp_path: Path, contents: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise OSError(30, "Read-only file system", str(tmp_path))

    monkeypatch.setattr("pathlib.Path.mkdir", refuse)  # root may write everywhere
    with pytest.raises(DataError, match=r"Read-only file system \(.*data\.dir=FOLDER"):
        obtain("MNIST", tmp_path)


def test_a_lock_that_is_not_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LOCK_SECONDS", 0.1)
    home = tmp_path / "MNIST" / "raw"
    home.mkdir(parents=True)
    with locked(home), pytest.raises(DataError, match="Cannot lock"):
        obtain("MNIST", tmp_path)


SCRIPT = """
import json, sys
from abreast.data import files
root, url, sums = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
files._torchvision = lambda name: ([url], sums)
print(json.dumps([str(path) for path in files.obtain("MNIST", root)]))
"""


def start(root: Any, server: Server) -> Any:
    command = [sys.executable, "-c", SCRIPT, str(root), server.url, json.dumps(server.sums)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.network_server
def test_two_processes_start_in_an_empty_folder(tmp_path: Path, offered: Any) -> None:
    offered.delay = 0.3  # both are there before the first is done
    both = [start(tmp_path, offered) for _ in range(2)]
    said = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert said[0][0] == said[1][0]
    paths = [tmp_path / "MNIST" / "raw" / f"{name}.gz" for name in NAMES]
    assert json.loads(said[0][0]) == [str(path) for path in paths]
    assert {path.name: path.read_bytes() for path in paths} == offered.files
    assert sorted(offered.asked) == sorted(offered.files)  # each once: the second found them


@pytest.mark.network_server
def test_a_killed_download_does_no_harm(tmp_path: Path, offered: Any) -> None:
    last = f"{NAMES[3]}.gz"

    def act(handler: Any) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(offered.files[last][:20])
        handler.wfile.flush()
        offered.closing.wait(30)

    offered.behave[last] = act
    process = start(tmp_path, offered)
    home = tmp_path / "MNIST" / "raw"
    deadline = time.monotonic() + 30
    while last not in offered.asked or not list(home.glob(f".{last}*.part")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (home / last).exists()
    del offered.behave[last]
    paths = obtain("MNIST", tmp_path)
    assert {path.name: path.read_bytes() for path in paths} == offered.files
    assert len(offered.asked) == 5


def test_expand(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert expand("~/data") == expand("data") == tmp_path / "data"
    for bad in (None, 3, ["data"]):
        with pytest.raises(ConfigError, match="is not a path"):
            expand(bad)
    with pytest.raises(ConfigError, match="cannot be expanded"):
        expand("~no_such_user_here/data")


@pytest.mark.parametrize("name", ["MNIST", "FashionMNIST", "KMNIST"])
def test_torchvision_knows_mirrors_and_checksums(name: str) -> None:
    mirrors, sums = files._torchvision(name)
    assert mirrors
    assert all(url.startswith("http") for url in mirrors)
    assert sorted(sums) == sorted(f"{file}.gz" for file in NAMES)
    assert {len(md5) for md5 in sums.values()} == {32}
