"""The digits of scikit-learn, read without importing it."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from abreast.data import sklearn_digits as module
from abreast.data.sklearn_digits import digits
from abreast.data.split import stratified_split
from abreast.errors import ConfigError, DataError

# UCI Machine Learning Repository, dataset 80, "Class Distribution" of the testing set.
COUNTS = [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_equals_scikit_learns() -> None:
    from sklearn.datasets import load_digits

    theirs = load_digits()
    source = digits(test_fraction=0.3)
    rows = stratified_split(torch.from_numpy(theirs.target), 0.3, 0)
    for split, index in zip((source.train, source.test), rows, strict=True):
        assert split.inputs.dtype == torch.uint8
        assert split.inputs.shape == (len(index), 1, 8, 8)
        assert np.array_equal(split.inputs[:, 0].numpy(), theirs.images[index])
        assert np.array_equal(split.targets.numpy(), theirs.target[index])
    assert source.classes == tuple(map(str, theirs.target_names))


def test_counts() -> None:
    source = digits()
    train, test = source.train.targets.bincount(), source.test.targets.bincount()
    assert (train + test).tolist() == COUNTS
    assert len(source.test) == 359  # round(0.2 * 1797)
    assert all(abs(held - 0.2 * count) < 1 for held, count in zip(test.tolist(), COUNTS, strict=True))
    assert source.train.inputs.min() == 0
    assert source.train.inputs.max() == 16


def test_neither_scikit_learn_nor_scipy_is_imported() -> None:
    code = (
        "import sys; from abreast.data.sklearn_digits import digits; digits();"
        "print([name for name in ('sklearn', 'scipy', 'torchvision') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("fraction", [0, 0.0, 1, -0.5])
def test_bad_fraction(fraction: float) -> None:
    with pytest.raises(ConfigError, match="fraction="):
        digits(fraction)


def test_scikit_learn_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(DataError, match="pip install scikit-learn"):
        digits()


ONE_ROW = gzip.compress(b"1,2\n", mtime=0)


@pytest.mark.parametrize(
    "data",
    [None, b"1,2", ONE_ROW[:-4], ONE_ROW, gzip.compress(b"a,b\n", mtime=0)],
    ids=["missing", "not gzip", "cut off", "one row", "no numbers"],
)
def test_damaged_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: Any) -> None:
    path = tmp_path / "digits.csv.gz"
    if data is not None:
        path.write_bytes(data)
    monkeypatch.setattr(module, "_packaged", lambda: path)
    with pytest.raises(DataError, match=r"digits\.csv\.gz: .*Reinstall scikit-learn"):
        digits()
