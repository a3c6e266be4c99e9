"""The tables of scikit-learn, as it loads them, and their columns' standardisation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn import datasets

from abreast.data.datamodule import DataModule
from abreast.data.sklearn_sets import sklearn
from abreast.data.target_scale import restored
from abreast.errors import ConfigError

SIZES = {"breast_cancer": (569, 30, 2), "wine": (178, 13, 3), "iris": (150, 4, 3), "diabetes": (442, 10, 0)}


@pytest.mark.parametrize("name", SIZES)
def test_equals_scikit_learns(name: Any) -> None:
    rows, features, classes = SIZES[name]
    source = sklearn(name)
    table = getattr(datasets, f"load_{name}")(**({"scaled": False} if name == "diabetes" else {}))
    assert len(source.pool_targets) == rows
    assert len(source.test) == round(0.2 * rows)
    assert source.train.inputs.shape[1] == features == len(source.columns)
    assert [column.name for column in source.columns] == [str(n) for n in table.feature_names]
    assert source.classes == (tuple(map(str, table.target_names)) if classes else ())
    theirs = {
        (*tuple(np.float32(row)), np.float32(y)) for row, y in zip(table.data, table.target, strict=True)
    }
    pool = torch.cat([source.pool.inputs, source.pool_targets.float().reshape(rows, 1)], 1)
    assert {tuple(row) for row in pool.numpy()} == theirs


def test_each_column_is_standardised_by_the_training_rows() -> None:
    data = DataModule(sklearn("wine"), batch_size=16, split_seed=3)
    train = data.train.inputs.double()
    torch.testing.assert_close(data.mean, train.mean(0))
    torch.testing.assert_close(data.std, train.std(0, correction=0))
    assert len(data.std.unique()) == 13


def test_targets_are_in_units_of_the_training_targets_deviation() -> None:
    source = sklearn("diabetes")
    plain = DataModule(source, batch_size=16)
    data = DataModule(source, batch_size=16, scale_targets=True)
    assert plain.target_scale == ()
    assert float(data.train.targets.mean()) == pytest.approx(0, abs=1e-6)
    assert float(data.train.targets.std(correction=0)) == pytest.approx(1, rel=1e-6)
    for name in ("train", "val", "test"):
        stored = getattr(plain, name).targets
        assert restored(getattr(data, name).targets, data.target_scale).allclose(stored, rtol=1e-5)


def test_unknown_name() -> None:
    with pytest.raises(ConfigError, match=r"must be breast_cancer, diabetes, iris or wine"):
        sklearn("irs")  # type: ignore[arg-type]
