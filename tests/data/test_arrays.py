"""NumPy's .npz files: images, columns and regressions, and what is refused."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from abreast.data.arrays import npz
from abreast.errors import DataError

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (40, 6, 5), np.uint8)
LABELS = np.arange(40) % 4
NUMBERS = RNG.normal(size=(40, 3))


def saved(folder: Path, **arrays: Any) -> Path:
    np.savez(folder / "my.npz", **arrays)
    return folder / "my.npz"


@pytest.mark.parametrize(
    ("pixels", "shape"),
    [
        (PIXELS, (1, 6, 5)),
        (np.repeat(PIXELS[..., None], 3, 3), (3, 6, 5)),
        (np.repeat(PIXELS[:, None], 3, 1), (3, 6, 5)),
    ],
)
@pytest.mark.parametrize("labels", [LABELS, LABELS[:, None].astype("u1"), LABELS + 3.0, LABELS.astype(str)])
def test_images_with_their_own_test_arrays(pixels: Any, shape: Any, labels: Any, tmp_path: Path) -> None:
    path = saved(tmp_path, x_train=pixels, y_train=labels, x_test=pixels[:9], y_test=labels[:9])
    source = npz(path)
    assert source.official_test
    assert source.train.inputs.shape[1:] == shape
    assert source.train.inputs.dtype == torch.uint8
    assert torch.equal(source.train.inputs[:, 0], torch.from_numpy(PIXELS))
    assert source.test.targets.tolist() == LABELS[:9].tolist()
    assert len(source.classes) == 4
    assert source.columns == ()


def test_numbers_are_columns(tmp_path: Path) -> None:
    values = NUMBERS.copy()
    values[3, 1] = np.nan
    source = npz(saved(tmp_path, data=values.astype(">f8"), labels=LABELS))
    assert not source.official_test
    assert [column.name for column in source.columns] == ["x0", "x1", "x2"]
    assert sorted(source.pool.inputs[:, 0].tolist()) == sorted(values[:, 0].astype(np.float32).tolist())
    assert int(source.pool.inputs.isnan().sum()) == 1
    regression = npz(saved(tmp_path, x=values, y=NUMBERS[:, :2]), task="regression")
    assert regression.classes == ()
    assert regression.train.targets.shape == (32, 2)


def test_validation_arrays_are_left_out_with_a_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    parts = {
        f"{name}_{part}": array
        for part in ("train", "val", "test")
        for name, array in (("x", NUMBERS), ("y", LABELS))
    }
    assert len(npz(saved(tmp_path, **parts)).train) == 40
    assert [record.getMessage().partition(": ")[2] for record in caplog.records] == [
        "x_val is left out; rows to validate on are drawn from training rows"
    ]


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "names": ({"a": NUMBERS, "b": LABELS}, r"my\.npz: holds a, b; expected are x_train"),
    "objects": (
        {"x": np.array([{}] * 40), "y": LABELS},
        r"not an \.npz file of plain arrays.*could run code",
    ),
    "texts": ({"x": NUMBERS.astype(str), "y": LABELS}, r"x holds <U\d+ of shape \[40, 3\], expected numbers"),
    "lengths": ({"x": NUMBERS, "y": LABELS[:9]}, r"x has 40 rows, y has 9"),
    "one class": ({"x": NUMBERS, "y": LABELS * 0}, r"y has only the class 0"),
    "decimals": ({"x": NUMBERS, "y": NUMBERS[:, 0]}, r"row 0 of y: .* is not a class.*data\.task=regression"),
    "many": ({"x": NUMBERS, "y": np.arange(40)}, r"y has 40 different values in 40 rows"),
    "one hot": (
        {"x": NUMBERS, "y": np.eye(40)},
        r"expected a class for each row, \[N\]\. Of one-hot.*y\.argmax",
    ),
    "infinite class": (
        {"x": NUMBERS, "y": np.where(LABELS > 1, np.inf, 0.0)},
        r"row 2 of y: inf is not a cl",
    ),
    "huge class": (
        {"x": NUMBERS, "y": np.where(LABELS > 1, 1e300, 0.0)},
        r"row 2 of y: 1e\+300 is not a class",
    ),
    "a class of one row": ({"x": NUMBERS, "y": np.r_[7, LABELS[1:]]}, r"the class '7' has one row alone"),
    "out of range": (
        {"x": NUMBERS * 1e300, "y": LABELS},
        r"row 0 of x: .*e\+299 is out of the range of float32",
    ),
    "too close": (
        {"x": np.c_[NUMBERS, 2.0**53 + 2 * np.arange(40)], "y": LABELS},
        r"column 3 of x: its numbers differ by 2\d(\.\d)? around 9.01e\+15, which float32 does not",
    ),
    "a single number": (
        {"x": np.array(1.0), "y": LABELS},
        r"x holds float64 of shape \[\], expected numbers",
    ),
    "unknown": (
        {"x_train": NUMBERS, "y_train": LABELS, "x_test": NUMBERS[:2], "y_test": np.array([0, 9])},
        r"row 1 of y_test: '9' is not one of the training classes: 0, 1, 2, 3",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name: str, tmp_path: Path) -> None:
    arrays, message = MISTAKES[name]
    with pytest.raises(DataError, match=message) as error:
        npz(saved(tmp_path, **arrays))
    assert "\n" not in str(error.value)


def test_broken_files(tmp_path: Path) -> None:
    path = saved(tmp_path, x=NUMBERS, y=LABELS)
    content = path.read_bytes()
    for broken in (b"", b"PK", content[:-30], b"x" * 99):
        path.write_bytes(broken)
        with pytest.raises(DataError, match=r"my\.npz: not an \.npz file"):
            npz(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", b"no array")
    with pytest.raises(DataError, match=r"not an \.npz file of plain arrays \(x is none\)"):
        npz(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", bytes(99))
        archive.filelist[0].file_size = 1 << 40  # what a bomb of zeros would say
    with pytest.raises(DataError, match=r"would unpack to 1024 GiB, far more than it is"):
        npz(path)
    with pytest.raises(DataError, match="no such file"):
        npz(tmp_path / "none.npz")
