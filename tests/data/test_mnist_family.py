"""The MNIST family and IDX files of one's own: shapes, types, names, and every mix-up."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from abreast.data.mnist_family import fashion_mnist, idx, kmnist, mnist
from abreast.errors import ConfigError, DataError

SETS = [(mnist, "MNIST"), (fashion_mnist, "FashionMNIST"), (kmnist, "KMNIST")]
TRAIN_X, TRAIN_Y, TEST_X, TEST_Y = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)

# Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits": 60,000 and 10,000 rows; the
# counts by digit as tabulated by many, e.g. L. Deng 2012, doi 10.1109/MSP.2012.2211477.
TRAIN_COUNTS = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
TEST_COUNTS = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


@pytest.fixture
def folder(tmp_path: Path, family: Any, write_idx: Callable[..., Path]) -> Any:
    """folder(name, **replaced) -> a data folder with the tiny family in torchvision's layout."""

    def make(name: str, suffix: str = "", **replaced: Any) -> Any:
        for file, array in family.items():
            key = file.partition("-idx")[0].replace("-", "_")
            write_idx(f"{name}/raw/{file}{suffix}", replaced.get(key, array))
        return tmp_path

    return make


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize(("function", "name"), SETS)
def test_images_and_labels(folder: Path, family: Any, function: Any, name: Any, suffix: str) -> None:
    source = function(folder(name, suffix))
    for split, images, labels in ((source.train, TRAIN_X, TRAIN_Y), (source.test, TEST_X, TEST_Y)):
        assert split.inputs.dtype == torch.uint8
        assert split.targets.dtype == torch.int64
        assert np.array_equal(split.inputs.numpy(), family[images][:, None])
        assert np.array_equal(split.targets.numpy(), family[labels])
    assert len(source.classes) == 10


@pytest.mark.parametrize(("function", "name"), SETS)
def test_class_names_are_torchvisions(folder: Path, function: Any, name: Any) -> None:
    from torchvision import datasets

    known = [label.partition(" - ")[0] for label in getattr(datasets, name).classes]  # "0 - zero" of MNIST
    assert list(function(folder(name)).classes) == known


def test_torchvision_is_not_imported_where_the_files_are_there(folder: Path) -> None:
    code = (
        "import sys; from abreast.data.mnist_family import mnist; mnist(sys.argv[1]);"
        "print([name for name in ('torchvision', 'filelock', 'sklearn', 'lightning') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder("MNIST"))], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("replaced", "said"),
    [
        ({"train_labels": np.zeros(19, np.uint8)}, ["20 images", "19 labels", TRAIN_X, TRAIN_Y]),
        ({"t10k_images": np.zeros((9, 28, 28), np.uint8)}, ["9 images", "10 labels", TEST_X]),
        ({"train_labels": np.full(20, 10, np.uint8)}, ["train targets: 20 of 20 labels", "0..9"]),
        ({"t10k_labels": np.arange(10, dtype=np.int8) - 1}, ["test targets: 1 of 10", "row 0 holds -1"]),
        ({"t10k_images": np.zeros((10, 28, 27), np.uint8)}, [TEST_X, "[1, 28, 27]", "28 x 28", "data=idx"]),
        ({"train_images": np.zeros((20, 28, 28), np.int16)}, [TRAIN_X, "torch.float32", "28 x 28"]),
        ({"train_images": np.zeros(20, np.uint8)}, [TRAIN_X, "[20]", "the file of the labels?"]),
        ({"train_labels": np.zeros((20, 28, 28), np.uint8)}, [TRAIN_Y, "the file of the images?"]),
        ({"train_labels": np.zeros(20, np.float32)}, [TRAIN_Y, "torch.float32", "whole numbers"]),
        (
            {"t10k_images": np.zeros((0, 28, 28), np.uint8), "t10k_labels": np.zeros(0, np.uint8)},
            ["test inputs are empty"],
        ),
    ],
)
def test_mix_ups_are_named(folder: Path, replaced: Any, said: Any) -> None:
    with pytest.raises(DataError) as raised:
        mnist(folder("MNIST", **replaced))
    for part in said:
        assert part in str(raised.value)


def test_a_corrupt_file_says_that_it_can_be_downloaded_again(folder: Path) -> None:
    root = folder("MNIST")
    path = root / "MNIST" / "raw" / TRAIN_Y
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match="Delete it and run again to download it, or put a good copy there"):
        mnist(root)


def test_files_of_another_set_under_the_same_names(folder: Path) -> None:
    counts = {"MNIST": TRAIN_COUNTS, "FashionMNIST": [6000] * 10}
    for function, name in SETS:
        for kind, numbers in counts.items():
            labels = np.arange(10, dtype=np.uint8).repeat(numbers)

            root = folder(name, train_labels=labels, train_images=np.zeros((60000, 28, 28), np.uint8))
            if (kind == "MNIST") == (name == "MNIST"):
                assert len(function(root).train) == 60000
            else:
                with pytest.raises(DataError, match=f"asked for {name}, but .* count as those of"):
                    function(root)


@pytest.fixture
def four(write_idx: Callable[..., Path]) -> Any:
    """four(train_images, train_labels, test_images, test_labels) -> the paths of these arrays."""
    names = ("a", "b.gz", "c", "d.gz")
    return lambda *arrays: [write_idx(name, array) for name, array in zip(names, arrays, strict=True)]


LABELS = np.array([0, 2, 1], np.uint8)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "float32", "float64"])
@pytest.mark.parametrize(
    ("shape", "axes"),
    [((3, 4, 5), None), ((3, 4, 5, 2), (0, 3, 1, 2)), ((3, 7), None)],
)
def test_idx_shapes_and_types(
    four: Any, shape: tuple[int, ...], axes: tuple[int, ...] | None, dtype: str
) -> None:
    array = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    source = idx(*four(array, LABELS, array[:2], LABELS[:2]))
    expected = array.transpose(axes) if axes else array[:, None] if len(shape) == 3 else array
    assert source.train.inputs.dtype == (torch.uint8 if dtype == "uint8" else torch.float32)
    assert source.train.inputs.is_contiguous()
    assert np.array_equal(source.train.inputs.numpy(), expected.astype(np.float32))
    assert np.array_equal(source.test.inputs.numpy(), expected[:2].astype(np.float32))
    assert source.train.targets.tolist() == [0, 2, 1]


FEATURES = np.ones((3, 2), np.float32)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32"])
@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        (None, ("0", "1", "2", "3")),  # 3 is in the test labels only
        (5, ("0", "1", "2", "3", "4")),
        (["a", "b", "c", "d"], ("a", "b", "c", "d")),
        (OmegaConf.create(["a", "b", "c", 4]), ("a", "b", "c", "4")),
    ],
)
def test_idx_classes(four: Any, classes: Any, expected: tuple[str, ...], dtype: str) -> None:
    test_labels = np.array([3], dtype)
    source = idx(*four(FEATURES, LABELS, FEATURES[:1], test_labels), classes=classes)  # type: ignore[misc]
    assert source.classes == expected


@pytest.mark.parametrize("classes", [0, -1, 2.0, True, "abc", []])
def test_idx_bad_classes(four: Any, classes: Any) -> None:
    with pytest.raises(ConfigError, match=r"classes=.* must be null, the number"):
        idx(*four(FEATURES, LABELS, FEATURES, LABELS), classes=classes)  # type: ignore[misc]


def test_idx_labels_that_do_not_fit(four: Any) -> None:
    with pytest.raises(DataError, match=r"1 of 3 labels are not in 0\.\.1"):
        idx(*four(FEATURES, LABELS, FEATURES, LABELS), classes=["a", "b"])  # type: ignore[misc]
    marked = np.array([0, 255, 1], np.uint8)
    source = idx(*four(FEATURES, LABELS, FEATURES, marked), ignore_index=255)  # type: ignore[misc]
    assert source.classes == ("0", "1", "2")
    assert source.ignore_index == 255
    none = np.array([-1, -1, -1], np.int8)
    with pytest.raises(DataError, match="3 of 3 labels"):
        idx(*four(FEATURES, none, FEATURES, none))
    wild = np.array([0, 1, 2**31 - 1], np.int32)
    with pytest.raises(DataError, match="highest label is 2147483647"):
        idx(*four(FEATURES, wild, FEATURES, LABELS))


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ((FEATURES, LABELS, FEATURES[:, :1], LABELS), r"shape \[2\] but test inputs .* shape \[1\]"),
        ((FEATURES, LABELS, FEATURES.astype(np.uint8), LABELS), "one shape and type"),
        (
            (FEATURES * np.inf, LABELS, FEATURES, LABELS),
            "train inputs: 6 values in 3 of 3 rows are not finite",
        ),
        ((np.zeros((3,) * 5, np.uint8), LABELS, FEATURES, LABELS), "expected"),
        ((FEATURES, LABELS[:, None], FEATURES, LABELS), r"\[3, 1\], expected whole numbers"),
    ],
)
def test_idx_mix_ups(four: Any, arrays: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        idx(*four(*arrays))


def test_idx_paths(four: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    four(FEATURES, LABELS, FEATURES, LABELS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert len(idx("a", "~/b.gz", "./c", str(tmp_path / "d.gz")).train) == 3
    with pytest.raises(DataError, match=r"/nothing: the file does not exist. Put a good copy there.$"):
        idx("a", "nothing", "c", "d.gz")


def test_real_mnist(real_mnist: Path) -> None:
    source = mnist(real_mnist)
    assert source.train.inputs.shape == (60000, 1, 28, 28)
    assert source.test.inputs.shape == (10000, 1, 28, 28)
    assert source.train.targets.bincount().tolist() == TRAIN_COUNTS
    assert source.test.targets.bincount().tolist() == TEST_COUNTS
    assert source.classes == tuple("0123456789")


def test_real_mnist_equals_torchvisions(real_mnist: Path) -> None:
    from torchvision.datasets import MNIST

    source = mnist(real_mnist)
    for split, train in ((source.train, True), (source.test, False)):
        theirs = MNIST(real_mnist, train=train)
        assert torch.equal(split.inputs.squeeze(1), theirs.data)
        assert torch.equal(split.targets, theirs.targets)


def test_real_mnist_is_not_taken_for_another_set(real_mnist: Path) -> None:
    for function in (fashion_mnist, kmnist):
        with pytest.raises(DataError, match="count as those of MNIST"):
            function(real_mnist / "MNIST")
