"""Initial weights by name and scale."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from abreast.models import CNN, MLP, ResNet
from abreast.models.initialization import INITS, initialize
from abreast.runs.directory import RunDirectory

# He et al. 2015 (equation 10), Glorot & Bengio 2010 (equations 12 and 16), LeCun et al. 1998 (equation 16).
# A standard normal distribution truncated at two deviations has the deviation 0.8796 (scipy.stats.truncnorm).
DEVIATIONS = {
    "kaiming_normal": (2 / 400) ** 0.5,
    "kaiming_uniform": (2 / 400) ** 0.5,
    "xavier_normal": (2 / (400 + 300)) ** 0.5,
    "xavier_uniform": (2 / (400 + 300)) ** 0.5,
    "lecun_normal": (1 / 400) ** 0.5,
    "orthogonal": (1 / 400) ** 0.5,  # 300 orthonormal rows of 400
    "truncated_normal": 0.05 * 0.8796,
}


def test_every_init_has_its_deviation() -> None:
    assert DEVIATIONS.keys() == INITS.keys()


@pytest.mark.parametrize(("init", "deviation"), DEVIATIONS.items())
def test_linear_layers(init: str, deviation: float) -> None:
    torch.manual_seed(0)
    layer = MLP(400, 10, hidden=[300], init=init)[1]  # type: ignore[arg-type]
    assert layer.weight.std().item() == pytest.approx(deviation, rel=0.02)
    assert layer.bias.unique().tolist() == [pytest.approx(0.05 if init == "truncated_normal" else 0.0)]


@pytest.mark.parametrize("init", ["kaiming_normal", "orthogonal"])
def test_convolutions_count_the_values_under_a_kernel(init: str) -> None:
    torch.manual_seed(0)
    layer = CNN((16, 9, 9), 10, channels=[90], init=init)[0]  # type: ignore[arg-type]
    deviation = (2 / 400) ** 0.5 if init == "kaiming_normal" else (1 / 400) ** 0.5
    assert layer.weight.std().item() == pytest.approx(deviation, rel=0.02)


@pytest.mark.parametrize(
    "build",
    [
        lambda **more: MLP(6, 4, hidden=[5, 5], residual=True, **more),
        lambda **more: CNN((1, 6, 6), 4, channels=[5], hidden=[5], **more),
        lambda **more: ResNet((1, 6, 6), 4, widths=[5], **more),
    ],
)
def test_gain(build: Callable[..., nn.Module]) -> None:
    """A factor of the last layer's weights, or of each layer's; nothing else changes."""

    def weights(**more: object) -> list[tuple[str, torch.Tensor]]:
        torch.manual_seed(0)
        return [*build(**more).named_parameters()]

    before = weights()
    kernels = [name for name, value in before if value.ndim > 1]
    factors = {name: float(number) for number, name in enumerate(kernels, 2)}
    for gain, expected in ((20.0, {kernels[-1]: 20.0}), ([*factors.values()], factors)):
        for (name, value), (_, other) in zip(before, weights(gain=gain), strict=True):
            assert torch.equal(value * expected.get(name, 1.0), other), name


def test_gains_must_be_as_many_as_layers() -> None:
    with pytest.raises(ValueError, match=r"model.gain=\[1, 2, 3\] has 3 factors for 2 layers with weights"):
        initialize(MLP(4, 2, hidden=[3]), "default", [1, 2, 3])


def test_an_unknown_init_is_refused() -> None:
    with pytest.raises(ValueError, match=r"model\.init=xavier is unknown; it takes default, xavier_uniform"):
        initialize(nn.Linear(2, 2), "xavier")


def test_a_large_gain_stalls_mse_after_softmax(train: Callable[..., Path]) -> None:
    """A saturated softmax passes no gradient on, unless the loss divides by its derivative, as logarithms do.

    The scores of weights that are 20 times as large have a deviation of about 11. Golik, Doetsch & Ney 2013,
    "Cross-entropy vs. squared error training", compare both losses from random weights, and find that the
    squared error stalls. Over seeds 0 to 4: 0.18 (0.11 to 0.25) for MSE, 0.91 (0.89 to 0.93) for
    cross-entropy.
    """

    def accuracy(*overrides: str) -> float:
        common = ("model=linear", "optim=sgd", "optim.lr=0.2", "trainer.max_epochs=20", *overrides)
        result = RunDirectory(train(*common, name="-".join(overrides))).read_result()
        return float(result["metrics"]["test/accuracy"])

    mse = ("loss=mse", "loss.scores=probs", "loss.tasks=[classification]")
    assert accuracy("loss=cross_entropy", "model.gain=20") > 0.85
    assert accuracy(*mse, "model.gain=20") < 0.3
    assert accuracy(*mse) > 0.9
