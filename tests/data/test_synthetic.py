"""Random data: what is claimed of the best score holds, and the rows hang on the arguments alone."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from abreast.data.synthetic import random_classes, random_noise, random_regression
from abreast.errors import ConfigError

ALL = [random_classes, random_noise, random_regression]


def rows(source: Any) -> Any:
    return (source.train.inputs, source.train.targets, source.test.inputs, source.test.targets)


@pytest.mark.parametrize("function", ALL)
def test_pure_function_of_its_arguments(function: Any) -> None:
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = function(size=50, test_size=40)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    again = function(size=50, test_size=40)
    assert all(torch.equal(a, b) for a, b in zip(rows(first), rows(again), strict=True))
    other = function(size=50, test_size=40, seed=1)
    assert all(not torch.equal(a, b) for a, b in zip(rows(first), rows(other), strict=True))
    larger = function(size=50, test_size=70)
    assert all(torch.equal(a, b) for a, b in zip(rows(first)[:2], rows(larger)[:2], strict=True))
    assert not torch.equal(first.train.inputs[:40], first.test.inputs)


@pytest.mark.parametrize("function", ALL)
def test_inputs_are_standard_normal(function: Any) -> None:
    inputs = function(size=20000, test_size=1, features=5).train.inputs
    assert inputs.dtype == torch.float32
    assert inputs.shape == (20000, 5)
    # Standard errors: 1 / sqrt(n) of the mean and the correlations, sqrt(2 / n) of the variance; 5 of them.
    assert inputs.mean(0).abs().max() < 5 / math.sqrt(20000)
    assert (inputs.T.cov() - torch.eye(5)).abs().max() < 5 * math.sqrt(2 / 20000)


@pytest.mark.parametrize(
    ("arguments", "shape"),
    [
        ({"size": 1, "test_size": 1, "features": 1}, (1, 1)),
        ({"size": 3, "test_size": 2, "features": 784}, (3, 784)),
        ({"size": 3, "test_size": 2, "features": 1, "hidden": 1}, (3, 1)),
        ({"size": 3, "test_size": 2, "features": 2, "hidden": 300, "noise": 0}, (3, 2)),
    ],
)
@pytest.mark.parametrize("function", ALL)
def test_odd_sizes(function: Any, arguments: dict[str, Any], shape: tuple[int, ...]) -> None:
    if function is random_noise:
        arguments = {key: value for key, value in arguments.items() if key not in ("hidden", "noise")}
    source = function(**arguments)
    assert source.train.inputs.shape == shape
    assert len(source.test) == arguments["test_size"]


@pytest.mark.parametrize("hidden", [0, 16])
@pytest.mark.parametrize("noise", [0.1, 0.5, 0.7])
def test_noise_replaces_the_label_by_a_uniform_other(hidden: int, noise: float) -> None:
    n, classes = 40000, 4
    clean = random_classes(10, n, classes=classes, noise=0, hidden=hidden)
    noisy = random_classes(10, n, classes=classes, noise=noise, hidden=hidden)
    assert torch.equal(clean.test.inputs, noisy.test.inputs)
    shift = (noisy.test.targets - clean.test.targets) % classes
    share = shift.bincount(minlength=classes) / n
    expected = torch.tensor([1 - noise] + [noise / (classes - 1)] * (classes - 1))
    assert (share - expected).abs().max() < 4.5 * 0.5 / math.sqrt(n)  # binomial
    assert noisy.facts["best_accuracy"] == 1 - noise
    assert noisy.facts["teacher_accuracy"] == pytest.approx(float(share[0]), abs=1e-6)
    assert clean.facts == {"best_accuracy": 1.0, "teacher_accuracy": 1.0}


@pytest.mark.parametrize("hidden", [0, 64])
def test_classes_are_about_balanced(hidden: int) -> None:
    for seed in range(5):
        source = random_classes(20000, 1, hidden=hidden, noise=0, seed=seed)
        share = source.train.targets.bincount(minlength=10) / 20000
        assert share.min() > 0.02
        assert share.max() < 0.25
    assert source.classes == tuple("0123456789")


@pytest.mark.parametrize(("noise", "close"), [(0, 0.02), (0.2, 0.04)])
def test_a_linear_teacher_is_found_by_a_linear_model(noise: float, close: float) -> None:
    from sklearn.linear_model import LogisticRegression

    source = random_classes(4000, 10000, features=5, classes=3, noise=noise)
    model = LogisticRegression(C=100.0, max_iter=1000)
    model.fit(source.train.inputs.numpy(), source.train.targets.numpy())
    score = model.score(source.test.inputs.numpy(), source.test.targets.numpy())
    best = source.facts["best_accuracy"]
    error = math.sqrt(best * (1 - best) / 10000)
    assert score <= best + 4.5 * error  # nobody beats the bound but by luck of the test examples
    # Close, not equal: probabilities that noise has levelled out are none of a softmax of linear scores.
    assert score > best - close


def test_a_hidden_layer_is_not_linear() -> None:
    # A linear fit by least squares explains all of a linear teacher, but not of one with a hidden layer.
    left = {}
    for hidden in (0, 3):
        source = random_regression(5000, 1, features=4, noise=0, hidden=hidden)
        x, y = source.train.inputs.double().numpy(), source.train.targets.double().numpy()
        left[hidden] = float(np.linalg.lstsq(x, y)[1][0]) / len(x)
    assert left[0] < 1e-12
    assert left[3] > 0.01


@pytest.mark.parametrize("hidden", [0, 1, 32])
@pytest.mark.parametrize("noise", [0, 0.1, 2.0])
def test_regression_targets(hidden: int, noise: float) -> None:
    n = 40000
    clean = random_regression(10, n, outputs=3, noise=0, hidden=hidden).test.targets.double()
    source = random_regression(10, n, outputs=3, noise=noise, hidden=hidden)
    targets = source.test.targets.double()
    assert source.test.targets.dtype == torch.float32
    assert targets.shape == (n, 3)
    assert source.classes == ()
    # sqrt(2 / n): standard error of the variance of a normal; the scale comes from 16,384 rows of its own.
    bound = 5 * (math.sqrt(2 / n) + math.sqrt(2 / 16384))
    assert clean.var(0).sub(1).abs().max() < bound
    residual = targets - clean
    assert residual.var(0).sub(noise**2).abs().max() <= bound * noise**2
    mse = float(residual.square().mean())
    assert mse == pytest.approx(source.facts["best_mse"], rel=bound)
    r2 = float((1 - residual.square().mean(0) / targets.var(0)).mean())
    assert r2 == pytest.approx(source.facts["best_r2"], abs=bound)


def test_noise_labels_have_nothing_to_do_with_the_inputs() -> None:
    n = 40000
    source = random_noise(10, n, features=5, classes=4)
    counts = source.test.targets.bincount(minlength=4)
    assert (counts / n - 0.25).abs().max() < 4.5 * math.sqrt(0.25 * 0.75 / n)
    for label in range(4):
        mean = source.test.inputs[source.test.targets == label].mean(0)
        assert mean.abs().max() < 4.5 / math.sqrt(n / 4)
    assert source.facts == {"best_accuracy": 0.25}


@pytest.mark.parametrize("function", ALL)
@pytest.mark.parametrize("name", ["size", "test_size", "features"])
@pytest.mark.parametrize("value", [0, -1, 2.0, "10", None, True])
def test_bad_counts(function: Any, name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=rf"^{name}={value!r} must be a whole number of 1 or more"):
        function(**{name: value})


@pytest.mark.parametrize(
    ("function", "arguments", "said"),
    [
        (random_classes, {"classes": 1}, r"classes=1 must be a whole number of 2"),
        (random_noise, {"classes": 1}, r"classes=1 must be a whole number of 2"),
        (random_classes, {"hidden": -1}, r"hidden=-1"),
        (random_regression, {"hidden": 1.5}, r"hidden=1\.5"),
        (random_regression, {"outputs": 0}, r"outputs=0"),
        (random_classes, {"noise": 0.9}, r"noise=0\.9 must be a number from 0 to below 0\.9"),
        (random_classes, {"noise": 0.5, "classes": 2}, r"noise=0\.5 .* below 0\.5"),
        (random_classes, {"noise": -0.1}, r"noise=-0\.1"),
        (random_classes, {"noise": math.nan}, r"noise=nan"),
        (random_regression, {"noise": math.inf}, r"noise=inf .* below inf"),
        (random_regression, {"noise": -1}, r"noise=-1"),
        (random_regression, {"noise": "1"}, r"noise='1'"),
        (random_classes, {"seed": -1}, r"seed=-1"),
        (random_noise, {"seed": 0.5}, r"seed=0\.5"),
    ],
)
def test_bad_arguments(function: Any, arguments: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        function(**arguments)
