"""torchvision's sets by name: downloaded once, verified before they are opened, never for a "
"stranger's word."""

from __future__ import annotations

import io
import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import datasets

from abreast.data.torchvision_sets import torchvision
from abreast.errors import ConfigError, DataError
from abreast.runtime.downloads import downloads
from support.data_kinds import CIFAR_FOLDER, md5

NAMES = [f"data_batch_{number}" for number in range(1, 6)]


def batch(number: int) -> bytes:
    pixels = np.random.default_rng(number).integers(0, 256, (4, 3072), np.uint8)
    return pickle.dumps({"data": pixels, "labels": [0, 1, 2, number]})


@pytest.fixture
def cifar(monkeypatch: pytest.MonkeyPatch) -> bytes:
    """The archive of a tiny CIFAR-10, whose checksums torchvision is given."""
    files = {name: batch(number) for number, name in enumerate([*NAMES, "test_batch"])}
    files["batches.meta"] = pickle.dumps({"label_names": list("abcdef")})
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, content in {**files, "../evil": b"x", "unwanted": b"x"}.items():
            member = tarfile.TarInfo(f"{CIFAR_FOLDER}/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    kind = datasets.CIFAR10
    monkeypatch.setattr(kind, "tgz_md5", md5(out.getvalue()))
    monkeypatch.setattr(kind, "train_list", [[name, md5(files[name])] for name in NAMES])
    monkeypatch.setattr(kind, "test_list", [["test_batch", md5(files["test_batch"])]])
    monkeypatch.setattr(kind, "meta", {**kind.meta, "md5": md5(files["batches.meta"])})
    return out.getvalue()


@pytest.mark.network_server
def test_cifar_is_downloaded_once_and_verified(cifar: bytes, server: Any, tmp_path: Path) -> None:
    server.files["cifar-10-python.tar.gz"] = cifar
    with downloads(True):
        source = torchvision("CIFAR10", tmp_path, mirrors=server.url)
    assert source.train.inputs.shape == (20, 3, 32, 32)
    assert source.test.inputs.shape == (4, 3, 32, 32)
    expected = pickle.loads(batch(1))["data"].reshape(4, 3, 32, 32)
    assert torch.equal(source.train.inputs[4:8], torch.from_numpy(expected))
    assert source.classes == tuple("abcdef")
    assert source.official_test
    assert sorted(path.name for path in tmp_path.rglob("*") if path.suffix not in (".lock",)) == sorted(
        ["cifar-10-python.tar.gz", CIFAR_FOLDER, *NAMES, "test_batch", "batches.meta"]
    )
    asked = len(server.asked)
    with downloads(False):  # as for a run directory: the files are there
        assert torchvision("CIFAR10", tmp_path).content.hex == source.content.hex
    assert len(server.asked) == asked


class Trap:
    def __reduce__(self) -> Any:
        return (Path.touch, (Path("/tmp/abreast-was-unpickled"),))


@pytest.mark.network_server
def test_another_pickle_is_never_opened(
    cifar: bytes, server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[object] = []
    monkeypatch.setattr(pickle, "load", lambda *args, **more: opened.append(args))
    (tmp_path / CIFAR_FOLDER).mkdir()
    for name in [*NAMES, "test_batch", "batches.meta"]:
        (tmp_path / CIFAR_FOLDER / name).write_bytes(pickle.dumps(Trap()))
    with (
        downloads(False),
        pytest.raises(DataError, match=r"data_batch_1: is missing, or not the file of CIFAR10"),
    ):
        torchvision("CIFAR10", tmp_path)
    (tmp_path / CIFAR_FOLDER / "batches.meta").unlink()
    server.files["cifar-10-python.tar.gz"] = cifar[:-9] + b"123456789"
    with downloads(True), pytest.raises(DataError, match="wrong checksum"):
        torchvision("CIFAR10", tmp_path, mirrors=server.url)
    assert opened == []


def test_other_sets_are_read_by_the_users_word_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        downloads(False),
        pytest.raises(DataError, match=r"reads only the sets whose files are verified, CIFAR10"),
    ):
        torchvision("Flowers102", tmp_path)

    class Flowers102:
        classes = ("rose", "tulip")

        def __init__(self, root: Path, split: str = "train", download: bool = False) -> None:
            self.count = 6 if split == "train" else 4

        def __len__(self) -> int:
            return self.count

        def __getitem__(self, number: int) -> tuple[Image.Image, int]:
            return Image.new("RGB", (9 + number, 9), (number, 0, 0)), number % 2

    monkeypatch.setattr(datasets, "Flowers102", Flowers102)
    with downloads(True):
        source = torchvision("Flowers102", tmp_path, size=5)
        assert source.train.inputs.shape == (6, 3, 5, 5)
        assert source.classes == ("rose", "tulip")
        with pytest.raises(ConfigError, match=r"images are of different sizes; scale them: data\.size=32"):
            torchvision("Flowers102", tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("CIFAR1O", r"torchvision has no such data set\. Did you mean CIFAR10\?"),
        ("os", r"torchvision has no such data set"),
        ("ImageFolder", r"has no training and test images to be had by name alone"),
    ],
)
def test_names(name: str, message: str, tmp_path: Path) -> None:
    with downloads(True), pytest.raises(ConfigError, match=message):
        torchvision(name, tmp_path)


def idx(*arrays: np.ndarray[Any, Any]) -> list[bytes]:
    """Files of the IDX format."""
    sizes = (b"".join(size.to_bytes(4, "big") for size in array.shape) for array in arrays)
    pairs = zip(arrays, sizes, strict=True)
    return [bytes((0, 0, 8, array.ndim)) + size + array.tobytes() for array, size in pairs]


@pytest.mark.parametrize(("subset", "classes"), [(None, 47), ("letters", 27), ("digits", 10)])
def test_emnist_is_read_by_subset(subset: str | None, classes: int, tmp_path: Path) -> None:
    folder = tmp_path / "EMNIST" / "raw"
    folder.mkdir(parents=True)
    images = np.random.default_rng(0).integers(0, 256, (classes, 28, 28), np.uint8)
    for split in ("byclass", "bymerge", "balanced", "letters", "digits", "mnist"):
        for part in ("train", "test"):
            files = idx(images, np.arange(classes, dtype=np.uint8))
            for kind, content in zip(("images-idx3", "labels-idx1"), files, strict=True):
                (folder / f"emnist-{split}-{part}-{kind}-ubyte").write_bytes(content)
    with downloads(True):
        source = torchvision("EMNIST", tmp_path, subset=subset)
    assert (source.train.inputs.shape, len(source.classes)) == ((classes, 1, 28, 28), classes)
    assert torch.equal(source.train.inputs[:, 0], torch.from_numpy(images))


def test_another_file_in_the_place_of_one_is_told_without_a_download(cifar: bytes, tmp_path: Path) -> None:
    folder = tmp_path / CIFAR_FOLDER
    folder.mkdir()
    for name in [*NAMES, "test_batch", "batches.meta"]:
        (folder / name).write_bytes(pickle.dumps({}))
    with (
        downloads(True),
        pytest.raises(DataError, match=r"data_batch_1: is not the file of CIFAR10: its check"),
    ):
        torchvision("CIFAR10", tmp_path, mirrors="http://127.0.0.1:9")


@pytest.mark.parametrize(("name", "subset"), [("EMNIST", "letter"), ("CIFAR10", "letters")])
def test_unknown_subsets(name: str, subset: str, tmp_path: Path) -> None:
    with (
        downloads(True),
        pytest.raises(ConfigError, match=f"data.subset={subset}: {name} has no such subset"),
    ):
        torchvision(name, tmp_path, subset=subset)
