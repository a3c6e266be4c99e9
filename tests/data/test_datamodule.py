"""The LightningDataModule: what is held out, what is normalised, what is refused."""

from __future__ import annotations

import pytest
import torch

from abreast.data.datamodule import DataModule
from abreast.data.moments import moments
from abreast.data.sklearn_digits import digits
from abreast.data.source import Source, Split
from abreast.data.synthetic import random_regression
from abreast.errors import DataError


def test_validation_rows_are_part_of_the_training_rows_and_the_test_is_whole() -> None:
    source = digits()
    data = DataModule(source, batch_size=32, val_fraction=0.1)
    assert len(data.train) + len(data.val) == len(source.train)
    assert torch.equal(data.test.inputs, source.test.inputs)
    rows = {row.numpy().tobytes() for row in source.train.inputs}
    assert all(row.numpy().tobytes() in rows for row in data.val.inputs)
    shares = data.val.targets.bincount() / source.train.targets.bincount()
    assert shares.min() > 0.08
    assert shares.max() < 0.12


def test_the_split_does_not_depend_on_the_runs_seed() -> None:
    one, other = (DataModule(digits(), batch_size=32, seed=seed) for seed in (0, 1))
    assert torch.equal(one.val.inputs, other.val.inputs)
    moved = DataModule(digits(), batch_size=32, split_seed=1)
    assert not torch.equal(one.val.inputs, moved.val.inputs)


def test_without_validation_every_row_is_trained_on() -> None:
    source = digits()
    data = DataModule(source, batch_size=32, val_fraction=0.0)
    assert len(data.train) == len(source.train)
    assert len(data.val) == 0


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_moments_are_those_of_numpy(dtype: torch.dtype) -> None:
    inputs = torch.randint(0, 256, (50, 1, 7, 7), generator=torch.Generator().manual_seed(0)).to(dtype)
    mean, std = moments(inputs)
    values = inputs.numpy().astype("float64")
    assert mean == pytest.approx(values.mean(), rel=1e-12)
    assert std == pytest.approx(values.std(), rel=1e-12)


def test_constant_inputs_are_not_divided_by_zero() -> None:
    assert moments(torch.full((4, 3), 7.0)) == (7.0, 1.0)


def test_mnists_moments_are_the_known_ones(mnist_dir: str) -> None:
    from abreast.data.mnist_family import mnist

    # 0.1307 and 0.3081 of pixels in [0, 1]: the constants of PyTorch's MNIST example, over 60,000 rows.
    mean, std = moments(mnist(mnist_dir).train.inputs)
    assert mean / 255 == pytest.approx(0.1307, abs=5e-5)
    assert std / 255 == pytest.approx(0.3081, abs=5e-5)


def test_shapes_follow_the_data() -> None:
    data = DataModule(digits(), batch_size=32)
    assert (data.in_shape, data.out_features, data.peak) == ((1, 8, 8), 10, 16)
    regression = DataModule(random_regression(size=50, test_size=10, features=3, outputs=2), batch_size=8)
    assert (regression.in_shape, regression.out_features, regression.peak) == ((3,), 2, None)
    assert regression.batches_per_epoch == 6  # 45 rows


@pytest.mark.parametrize(("limit", "batches"), [(None, 41), (1.0, 41), (0.5, 20), (3, 3), (100, 41)])
def test_limits_count_as_lightnings_do(limit: int | float | None, batches: int) -> None:
    assert DataModule(digits(), batch_size=32, limits={"train": limit}).batches_per_epoch == batches


def test_ignored_labels_are_let_in_only_by_name() -> None:
    split = Split(torch.randn(4, 2), torch.tensor([0, 1, -100, 1]))
    source = Source(split, split, ("a", "b"), ignore_index=-100)
    DataModule(source, batch_size=2, val_fraction=0.0, ignore_index=-100)
    with pytest.raises(DataError, match=r"1 of 4 labels are not in 0\.\.1"):
        DataModule(source, batch_size=2, val_fraction=0.0)
