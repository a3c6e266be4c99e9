"""Principal components: those of scikit-learn, of the training split alone."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from sklearn.decomposition import PCA

from abreast.build.data import build_data
from abreast.data.principal_components import principal_components
from abreast.data.source import Split
from abreast.errors import ConfigError
from abreast.learner.normalize import Normalize
from support.helpers import allowed, compose


def rows(examples: int, values: int) -> torch.Tensor:
    random = torch.Generator().manual_seed(0)
    return torch.randn(examples, values, generator=random) @ torch.randn(values, values, generator=random) + 3


@pytest.mark.parametrize(("examples", "values", "count"), [(200, 9, 4), (5, 9, 3), (40, 1, 1)])
def test_they_are_scikit_learns(examples: int, values: int, count: int) -> None:
    inputs = rows(examples, values)
    train = Split(inputs, torch.zeros(examples, dtype=torch.int64))
    mean, std = inputs.double().mean(0), inputs.double().std(0, correction=0)
    projection = principal_components(train, mean, std, count)
    reference = PCA(count, svd_solver="full").fit(((inputs.double() - mean) / std).numpy())
    torch.testing.assert_close(projection.components, torch.from_numpy(reference.components_))
    mine = Normalize(mean, std, projection)(inputs)
    theirs = torch.from_numpy(reference.transform(((inputs.double() - mean) / std).numpy())).float()
    torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-4)


def test_missing_values_and_columns_without_spread_count_as_the_mean() -> None:
    inputs = rows(50, 4)
    inputs[:, 3] = 7.0
    inputs[0, 1] = math.nan
    std = torch.tensor([1.0, 2.0, 1.0, math.inf])
    projection = principal_components(Split(inputs, torch.zeros(50).long()), inputs[1:].mean(0), std, 4)
    assert projection.components.isfinite().all()
    assert projection.offset.isfinite().all()
    torch.testing.assert_close(projection.components[-1], torch.tensor([0.0, 0.0, 0.0, 1.0]).double())


def test_they_are_of_the_training_rows_of_the_split() -> None:
    with allowed():
        data = [build_data(compose("data=digits", "data.pca=5", f"data.split_seed={s}")) for s in (0, 1)]
    assert data[0].projection is not None
    assert data[1].projection is not None
    assert not torch.equal(data[0].projection.components, data[1].projection.components)
    fitted = principal_components(data[1].train, data[1].mean, data[1].std, 5)
    assert torch.equal(fitted.components, data[1].projection.components)
    assert data[0].net_shape == (5,)
    assert data[0].in_shape == (1, 8, 8)


@pytest.mark.parametrize(
    ("count", "message"),
    [
        (65, r"data\.pca=65 must be a whole number from 1 to 64: there are \d+ training examples of 64"),
        (0, r"data\.pca=0 must be a whole number from 1 to 64"),
        (True, r"data\.pca=True must be"),
    ],
)
def test_mistakes(count: Any, message: str) -> None:
    with allowed(), pytest.raises(ConfigError, match=message):
        build_data(compose("data=digits") | {"data": compose("data=digits")["data"] | {"pca": count}})


def test_too_many_values() -> None:
    wide = Split(torch.zeros(3, 1, 100, 100, dtype=torch.uint8), torch.zeros(3).long())
    with pytest.raises(ConfigError, match=r"data\.pca=2: an example has 10000 values, .* at most 8192"):
        principal_components(wide, 0.0, 1.0, 2)


def test_colours_are_normalised_by_channel() -> None:
    from abreast.data.normalization import input_moments

    images = torch.randint(
        0, 256, (20, 3, 4, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    images[:, 1] //= 4
    mean, std = input_moments(Split(images, torch.zeros(20).long()), None, None, "channels")
    values = Normalize(mean, std)(images)
    torch.testing.assert_close(values.mean((0, 2, 3)), torch.zeros(3), rtol=0, atol=1e-5)
    torch.testing.assert_close(values.std((0, 2, 3), correction=0), torch.ones(3), rtol=0, atol=1e-5)
    with pytest.raises(ConfigError, match=r"data\.normalize=channels: needs images, .* \[4\]; write true"):
        input_moments(Split(torch.rand(5, 4), torch.zeros(5).long()), None, None, "channels")
