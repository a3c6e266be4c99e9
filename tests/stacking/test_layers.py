"""Every stackable layer, in networks that are trained as a stack and individually: bitwise the same.

A new layer needs a row in `NETWORKS`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from abreast.models import CNN, MLP, Residual, ResNet
from abreast.stacking.layers import STACKED_LAYERS, UnsupportedLayerError
from abreast.stacking.layers.activations import StackedActivation
from abreast.stacking.layers.linear import StackedLinear
from abreast.stacking.parameters import StackedState
from abreast.stacking.sequential import StackedSequential
from support.helpers import same
from support.stacks import Both, Check, Configs

LANES = 3


class Custom(nn.Sequential):
    """A network class of a user's, with the forward of nn.Sequential."""

    def __init__(self, width: int) -> None:
        super().__init__(nn.Linear(20, width), nn.Tanh(), nn.Linear(width, 10))


def after_linear(layer: Callable[[int], nn.Module]) -> Callable[[int], nn.Module]:
    """A row's network of some width: the layer after a linear one, which needs its input gradient."""
    return lambda width: nn.Sequential(nn.Linear(20, width), layer(width), nn.Linear(width, 10))


def activation(layer: Callable[[], nn.Module]) -> Callable[[int], nn.Module]:
    """The activation after a linear layer."""
    return after_linear(lambda _: layer())


def repeated(width: int) -> nn.Module:
    """One activation at two places."""
    relu = nn.ReLU()
    return nn.Sequential(nn.Linear(20, width), relu, nn.Linear(width, width), relu, nn.Linear(width, 10))


# A layer's name, and the network for a number of hidden units in which it stands.
NETWORKS: dict[str, Callable[[int], nn.Module]] = {
    "Linear": lambda width: nn.Sequential(nn.Linear(20, width), nn.Linear(width, 10)),
    "Linear without bias": after_linear(lambda width: nn.Linear(width, width, bias=False)),
    "Linear alone": lambda _: nn.Sequential(nn.Linear(20, 10)),
    "Linear with one output": lambda width: nn.Sequential(nn.Linear(20, 1), nn.Linear(1, 10)),
    "Flatten": lambda width: nn.Sequential(nn.Flatten(), nn.Linear(20, width), nn.Linear(width, 10)),
    "Flatten in the middle": activation(nn.Flatten),
    "Identity": activation(nn.Identity),
    "Dropout": activation(lambda: nn.Dropout(0.3)),
    "Dropout p=0": activation(lambda: nn.Dropout(0.0)),
    "Dropout p=1": activation(lambda: nn.Dropout(1.0)),
    "Dropout in place": activation(lambda: nn.Dropout(0.5, inplace=True)),
    "Dropout of the inputs": lambda _: nn.Sequential(nn.Dropout(0.2), nn.Linear(20, 10)),
    "BatchNorm1d": after_linear(nn.BatchNorm1d),
    "BatchNorm1d of the inputs": lambda _: nn.Sequential(nn.BatchNorm1d(20), nn.Linear(20, 10)),
    "BatchNorm1d last": lambda _: nn.Sequential(nn.Linear(20, 10), nn.BatchNorm1d(10)),
    "LayerNorm": after_linear(nn.LayerNorm),
    "LayerNorm without bias": after_linear(lambda width: nn.LayerNorm(width, bias=False)),
    "LayerNorm without weights": after_linear(lambda width: nn.LayerNorm(width, elementwise_affine=False)),
    "LayerNorm of the inputs": lambda _: nn.Sequential(nn.LayerNorm(20), nn.Linear(20, 10)),
    "ReLU": activation(nn.ReLU),
    "ReLU in place": activation(lambda: nn.ReLU(inplace=True)),
    "ReLU last": lambda _: nn.Sequential(nn.Linear(20, 10), nn.ReLU()),
    "ReLU of the inputs": lambda _: nn.Sequential(nn.ReLU(), nn.Linear(20, 10)),
    "ReLU twice": repeated,
    "LeakyReLU": activation(nn.LeakyReLU),
    "LeakyReLU negative": activation(lambda: nn.LeakyReLU(-0.3)),
    "ReLU6": activation(nn.ReLU6),
    "Hardtanh": activation(nn.Hardtanh),
    "ELU": activation(nn.ELU),
    "CELU": activation(nn.CELU),
    "SELU": activation(nn.SELU),
    "GELU": activation(nn.GELU),
    "GELU by tanh": activation(lambda: nn.GELU("tanh")),
    "SiLU": activation(nn.SiLU),
    "Mish": activation(nn.Mish),
    "Tanh": activation(nn.Tanh),
    "Sigmoid": activation(nn.Sigmoid),
    "Softplus": activation(nn.Softplus),
    "Softsign": activation(nn.Softsign),
    "LogSigmoid": activation(nn.LogSigmoid),
    "Hardswish": activation(nn.Hardswish),
    # Neighbours that must leave each other's memory alone.
    "Tanh, ReLU": after_linear(lambda _: nn.Sequential(nn.Tanh(), nn.ReLU())),
    "Tanh, Identity, ReLU": after_linear(lambda _: nn.Sequential(nn.Tanh(), nn.Identity(), nn.ReLU())),
    "ReLU, Dropout": after_linear(lambda _: nn.Sequential(nn.ReLU(), nn.Dropout(0.3))),
    "GELU, BatchNorm1d": after_linear(lambda width: nn.Sequential(nn.GELU(), nn.BatchNorm1d(width))),
    "BatchNorm1d, SiLU": after_linear(lambda width: nn.Sequential(nn.BatchNorm1d(width), nn.SiLU())),
    "BatchNorm1d, GELU": after_linear(lambda width: nn.Sequential(nn.BatchNorm1d(width), nn.GELU())),
    "BatchNorm1d, Dropout, Tanh": after_linear(
        lambda width: nn.Sequential(nn.BatchNorm1d(width), nn.Dropout(0.3), nn.Tanh())
    ),
    "custom": Custom,
}


def image(*layers: nn.Module, shape: tuple[int, ...] = (3, 7, 6)) -> nn.Module:
    """The layers, then flattened and a linear layer."""
    net = nn.Sequential(*layers, nn.Flatten())
    features = net(torch.zeros(2, *shape)).shape[1]  # batch norm counts it as a batch in all lanes
    return nn.Sequential(*net, nn.Linear(features, 10))


def after_convolution(layer: Callable[[int], nn.Module]) -> Callable[[int], nn.Module]:
    """The layer after a convolution, which needs its input gradient."""
    return lambda width: image(nn.Conv2d(3, width, 3, padding=1), layer(width))


def signal(*layers: nn.Module) -> nn.Module:
    """As `image`, for one dimension."""
    return image(*layers, shape=(3, 17))


# As above, for examples of shape [3, 7, 6], [3, 17] or [2, 4, 5, 3]; the width is that of the channels.
IMAGES: dict[str, Callable[[int], nn.Module]] = {
    "Conv2d": lambda width: image(nn.Conv2d(3, width, 3), nn.Conv2d(width, width, 3)),
    "Conv2d without bias": lambda width: image(nn.Conv2d(3, width, 3, bias=False)),
    "Conv2d stride 2": after_convolution(lambda width: nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)),
    "Conv2d dilated": after_convolution(lambda width: nn.Conv2d(width, 8, 3, dilation=2, padding=(2, 1))),
    "Conv2d grouped": after_convolution(lambda width: nn.Conv2d(width, 2 * width, 3, groups=width)),
    "Conv2d 1 x 1": after_convolution(lambda width: nn.Conv2d(width, 4, 1, stride=2)),
    "Conv2d of one row": after_convolution(lambda width: nn.Conv2d(width, 4, (1, 5), padding=(0, 2))),
    "Conv2d padding=same": after_convolution(
        lambda width: nn.Conv2d(width, 4, 3, padding="same", dilation=2)
    ),
    "Conv2d padding=valid": after_convolution(lambda width: nn.Conv2d(width, 4, 2, padding="valid")),
    "Conv2d of the whole image": after_convolution(lambda width: nn.Conv2d(width, width, (7, 6))),
    "BatchNorm2d": after_convolution(nn.BatchNorm2d),
    "BatchNorm2d of the inputs": lambda _: image(nn.BatchNorm2d(3)),
    "Dropout2d": after_convolution(lambda _: nn.Dropout2d(0.4)),
    "Dropout2d in place": after_convolution(lambda _: nn.Dropout2d(0.4, inplace=True)),
    "Dropout of images": after_convolution(lambda _: nn.Dropout(0.4)),
    "MaxPool2d": after_convolution(lambda _: nn.MaxPool2d(2)),
    "MaxPool2d overlapping": after_convolution(lambda _: nn.MaxPool2d(3, 2, padding=1, ceil_mode=True)),
    "AvgPool2d": after_convolution(lambda _: nn.AvgPool2d(3, 2, padding=1, count_include_pad=False)),
    "AdaptiveAvgPool2d": after_convolution(lambda _: nn.AdaptiveAvgPool2d((3, 2))),
    "AdaptiveAvgPool2d to one": after_convolution(lambda _: nn.AdaptiveAvgPool2d(1)),
    "AdaptiveMaxPool2d": after_convolution(lambda _: nn.AdaptiveMaxPool2d(2)),
    "pooling of the inputs": lambda _: image(nn.AvgPool2d(2), nn.ReLU()),
    "LayerNorm of images": after_convolution(lambda width: nn.LayerNorm([width, 7, 6])),
    "Conv2d, GELU, MaxPool2d": after_convolution(lambda _: nn.Sequential(nn.GELU(), nn.MaxPool2d(2))),
    "BatchNorm2d, ReLU, Dropout2d": after_convolution(
        lambda width: nn.Sequential(nn.BatchNorm2d(width), nn.ReLU(), nn.Dropout2d(0.2), nn.MaxPool2d(2))
    ),
    "AdaptiveAvgPool2d, ReLU, BatchNorm2d": after_convolution(
        lambda width: nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.ReLU(), nn.BatchNorm2d(width))
    ),
    "Residual of convolutions": after_convolution(
        lambda width: nn.Sequential(Residual([nn.Conv2d(width, width, 3, padding=1), nn.Tanh()]), nn.ReLU())
    ),
    "Residual first": lambda width: image(
        nn.ReLU(), Residual([nn.Conv2d(3, width, 3), nn.Tanh()], [nn.Conv2d(3, width, 3)]), nn.ReLU()
    ),
    "Residual of the inputs": lambda _: image(Residual([nn.ReLU(), nn.Conv2d(3, 3, 1)])),
    "Residual without weights": after_convolution(lambda _: Residual([nn.Tanh()], [nn.ReLU()])),
    "Residual of nothing": after_convolution(lambda _: Residual([])),
    "Residual in Residual": after_convolution(
        lambda width: Residual([nn.ReLU(), Residual([nn.Conv2d(width, width, 1)]), nn.Dropout(0.2)])
    ),
    "MLP with residual blocks": lambda width: MLP(
        126, 10, hidden=[width] * 3, residual=True, dropout=0.2, norm="batch"
    ),
    "CNN": lambda width: CNN(
        (3, 7, 6), 10, channels=[width, 8], norm="batch", dropout=0.2, channel_dropout=0.1
    ),
    "3c3d": lambda width: CNN((3, 7, 6), 10, channels=[width, 8, 4], hidden=[16, 16], kernels=3, pool=3),
    "ResNet": lambda width: ResNet((3, 7, 6), 10, widths=[width, 2 * width], blocks=2),
    "Conv1d": lambda width: signal(nn.Conv1d(3, width, 3), nn.Conv1d(width, width, 3, stride=2, bias=False)),
    "MaxPool1d": lambda width: signal(nn.Conv1d(3, width, 3), nn.MaxPool1d(3, 2)),
    "AvgPool1d": lambda width: signal(nn.Conv1d(3, width, 3), nn.AvgPool1d(3)),
    "AdaptiveAvgPool1d": lambda width: signal(nn.Conv1d(3, width, 3), nn.AdaptiveAvgPool1d(4)),
    "AdaptiveMaxPool1d": lambda width: signal(nn.Conv1d(3, width, 3), nn.AdaptiveMaxPool1d(4)),
    "Dropout1d": lambda width: signal(nn.Conv1d(3, width, 3), nn.Dropout1d(0.3)),
    "Conv3d": lambda width: image(nn.Conv3d(2, width, 2), nn.Conv3d(width, 4, 2), shape=(2, 4, 5, 3)),
}
SHAPES = {"Conv3d": (2, 4, 5, 3), **dict.fromkeys([name for name in IMAGES if "1d" in name], (3, 17))}


def network(name: str, width: int) -> nn.Module:
    """The network of a row, as Hydra builds it for a run."""
    return NETWORKS[name](width)


def test_every_registered_layer_has_a_row() -> None:
    tables = (*NETWORKS.values(), *IMAGES.values())
    layers = {type(layer) for build in tables for layer in build(16).modules()}
    assert layers - {nn.Sequential, Custom, MLP, CNN, ResNet} == {*STACKED_LAYERS}


def lanes_of(build: Callable[[], nn.Module]) -> list[nn.Module]:
    """The network as three seeds draw it."""
    nets = []
    for seed in range(LANES):
        torch.manual_seed(seed)
        nets.append(build())
    return nets


def stacked(nets: list[nn.Module], shape: tuple[int, ...] = (20,)) -> StackedSequential:
    generators = [torch.Generator().manual_seed(100 + lane) for lane in range(len(nets))]
    return StackedSequential(nets, StackedState(nets), generators, shape)


def train_individually(net: nn.Module, seed: int, batches: list[Tensor]) -> list[Tensor]:
    """Scores and gradients of several steps of momentum."""
    optimizer = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9)
    seen = []
    torch.manual_seed(seed)
    for x in batches:
        optimizer.zero_grad()
        scores = net(x.clone())
        seen.append(scores.detach().clone())
        scores.backward(gradient_of(scores))
        seen += [parameter.grad.clone() for parameter in net.parameters() if parameter.grad is not None]
        optimizer.step()
    return [*seen, *[value.clone() for value in net.state_dict().values()]]


def gradient_of(scores: Tensor) -> Tensor:
    """That of half the squared distance from 0, 1, 2, ..., a mean over the examples; scores `[..., B, C]`."""
    return (scores.detach() - torch.arange(scores.shape[-1])) / scores.shape[-2]


def check_step(
    stack: StackedSequential, nets: Sequence[nn.Module], copies: Sequence[nn.Module], x: Tensor
) -> None:
    """Scores and gradients of a step of the stack are bitwise those of copies of its networks."""
    scores = stack.forward(x.clone())
    stack.backward(gradient_of(scores))
    for net, reference, lane, inputs in zip(nets, copies, scores, x, strict=True):
        expected = reference(inputs)
        expected.backward(gradient_of(expected))
        assert lane.equal(expected)
        for parameter, other in zip(net.parameters(), reference.parameters(), strict=True):
            assert parameter.grad is not None
            assert same(parameter.grad, other.grad)


@pytest.mark.parametrize("examples", [7, 16])
@pytest.mark.parametrize("width", [1, 5, 12, 16, 32])
@pytest.mark.parametrize("name", NETWORKS)
def test_bitwise_as_each_alone(name: str, width: int, examples: int) -> None:
    check_bitwise(lambda: network(name, width), (20,), examples, steps=5)


@pytest.mark.parametrize(("width", "examples"), [(1, 16), (5, 3), (16, 17)])
@pytest.mark.parametrize("name", IMAGES)
def test_images_bitwise_as_each_alone(name: str, width: int, examples: int) -> None:
    check_bitwise(lambda: IMAGES[name](width), SHAPES.get(name, (3, 7, 6)), examples, steps=3)


def check_bitwise(build: Callable[[], nn.Module], shape: tuple[int, ...], examples: int, steps: int) -> None:
    """Train lanes together and each alone; scores, gradients and states must be equal in every step."""
    nets = lanes_of(build)
    generator = torch.Generator().manual_seed(1)
    batches = [torch.randn(LANES, examples, *shape, generator=generator) for _ in range(steps)]
    copies = copy.deepcopy(nets)
    alone = [
        train_individually(net, 100 + lane, [x[lane] for x in batches]) for lane, net in enumerate(copies)
    ]
    stack = stacked(nets, shape)
    optimizers = [torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9) for net in nets]
    together: list[list[Tensor]] = [[] for _ in nets]
    for x in batches:
        scores = stack.forward(x.clone())
        kept = scores.clone()
        stack.backward(gradient_of(scores))
        assert scores.equal(kept)
        for seen, net, optimizer, lane_scores in zip(together, nets, optimizers, scores, strict=True):
            seen.append(lane_scores)  # not a copy: a later step must not write there
            seen += [parameter.grad.clone() for parameter in net.parameters() if parameter.grad is not None]
            optimizer.step()
    for seen, expected, net in zip(together, alone, nets, strict=True):
        seen += net.state_dict().values()
        assert len(seen) == len(expected)
        for value, reference in zip(seen, expected, strict=True):
            assert reference.isfinite().all()
            assert value.equal(reference)


@pytest.mark.parametrize(
    "name",
    [
        "Linear alone",
        "Dropout of the inputs",
        "LayerNorm of the inputs",
        "BatchNorm1d, SiLU",
        "custom",
    ],
)
def test_runs_bitwise_as_each_alone(name: str, configs: Configs, both: Both, check: Check) -> None:
    jobs = configs(("trainer.max_epochs=2",), ("seed=0",), ("seed=1", "optim=momentum"), ("seed=2",))
    for config in jobs:
        config["model"] = {"_target_": "tests.stacking.test_layers.network", "name": name, "width": 16}
    for lane, alone in both(jobs):
        check(lane, alone)


def with_convolution(width: int) -> nn.Module:
    return nn.Sequential(nn.Unflatten(1, (1, 20)), nn.Conv1d(1, 2, 3), nn.Flatten(), nn.Linear(36, 10))


def shared(width: int) -> nn.Module:
    linear = nn.Linear(20, 20)
    return nn.Sequential(linear, nn.ReLU(), linear)


def norm_of_inputs(**settings: Any) -> nn.Module:
    return nn.Sequential(nn.BatchNorm1d(20, **settings), nn.Linear(20, 10))


ACTIVATIONS = [layer for layer, kind in STACKED_LAYERS.items() if issubclass(kind, StackedActivation)]


@pytest.mark.parametrize("following", [nn.ReLU, nn.Dropout])
@pytest.mark.parametrize("layer", ACTIVATIONS, ids=lambda layer: layer.__name__)
def test_in_place_after_an_activation(layer: type[nn.Module], following: type[nn.Module]) -> None:
    """Batched where torch can differentiate it, and refused where torch itself cannot."""
    nets = lanes_of(
        lambda: nn.Sequential(nn.Linear(20, 12), layer(), following(inplace=True), nn.Linear(12, 3))
    )
    copies = copy.deepcopy(nets)
    x = torch.randn(LANES, 7, 20)
    if layer in (nn.Tanh, nn.Sigmoid):
        with pytest.raises(UnsupportedLayerError, match="overwrites what the layer before it needs"):
            stacked(nets, (20,))
        scores = copies[0](x[0])
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            scores.backward(gradient_of(scores))
        return
    stack = stacked(nets, (20,))
    if following is nn.Dropout:
        return  # its masks are compared elsewhere
    check_step(stack, nets, copies, x)


class Scaled(nn.Sequential):
    """A forward of its own."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * 2  # type: ignore[no-any-return]


class ScaledResidual(Residual):
    """A forward of its own."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * 2


def tied_residual() -> nn.Module:
    """One layer in both parts."""
    linear = nn.Linear(20, 20)
    return Residual([linear], [linear])


def larger_residual() -> nn.Module:
    residual = Residual([nn.Linear(20, 20)])
    residual.more = nn.Linear(20, 20)
    return residual


class Unused(nn.Sequential):
    """A parameter that no layer has."""

    def __init__(self) -> None:
        super().__init__(nn.Linear(20, 10))
        self.scale = nn.Parameter(torch.ones(()))


class Tripled(nn.Sequential):
    """Another way to call."""

    def _call_impl(self, *args: Any, **kwargs: Any) -> Any:
        return super()._call_impl(*args, **kwargs) * 3


def with_more_parameters() -> nn.Module:
    linear = nn.Linear(20, 10)
    linear.register_parameter("unused", nn.Parameter(torch.ones(())))
    return nn.Sequential(linear)


def without(name: str) -> nn.Module:
    norm = nn.BatchNorm1d(20)
    setattr(norm, name, None)
    return nn.Sequential(norm, nn.Linear(20, 10))


@pytest.mark.parametrize(
    ("build", "shape", "reason"),
    [
        (lambda _: Tripled(nn.Linear(20, 10)), (20,), "Tripled is not an nn.Sequential"),
        (lambda _: with_more_parameters(), (20,), "has parameters that Linear lacks"),
        (lambda _: without("bias"), (20,), "without some of its parameters"),
        (lambda _: without("running_mean"), (20,), "without some of its parameters"),
        (with_convolution, (20,), "layer 0, Unflatten, is not registered"),
        (shared, (20,), "its layers share parameters"),
        (lambda _: Scaled(nn.Linear(20, 10)), (20,), "Scaled is not an nn.Sequential"),
        (lambda _: nn.Linear(20, 10), (20,), "Linear is not an nn.Sequential"),
        (lambda _: Unused(), (20,), "layer scale|parameters outside its layers"),
        (lambda _: nn.Sequential(nn.Flatten()), (20,), "share parameters, or"),
        (lambda _: nn.Sequential(nn.Linear(20, 10)), (4, 20), r"in_features=20 .* \(4, 20\)"),
        (lambda _: nn.Sequential(nn.Flatten(0), nn.Linear(20, 10)), (20,), r"nn.Flatten\(0, -1\)"),
        (lambda _: nn.Sequential(nn.BatchNorm1d(4), nn.Flatten(), nn.Linear(80, 10)), (4, 20), "BatchNorm1d"),
        (lambda _: nn.Sequential(nn.Conv2d(3, 4, 3)), (1, 9, 9), r"Conv2d with in_channels=3 .* \(1, 9, 9\)"),
        (lambda _: nn.Sequential(nn.Conv2d(3, 4, 3)), (3, 9), r"Conv2d with in_channels=3 .* \(3, 9\)"),
        (lambda _: nn.Sequential(nn.Conv2d(3, 4, 2, padding="same")), (3, 9, 9), "padding=same and an even"),
        (
            lambda _: nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect")),
            (3, 9, 9),
            "Conv2d with padding_mode=reflect",
        ),
        (
            lambda _: nn.Sequential(nn.Conv2d(3, 4, 3), nn.MaxPool2d(2, return_indices=True)),
            (3, 9, 9),
            r"MaxPool2d\(return_indices=True\)",
        ),
        (lambda _: nn.Sequential(nn.BatchNorm2d(20)), (20,), r"BatchNorm2d\(20\) on examples"),
        (lambda _: nn.Sequential(nn.BatchNorm1d(5), nn.Dropout2d()), (5,), "Dropout2d on examples of shape"),
        (lambda _: nn.Sequential(tied_residual()), (20,), "its layers share parameters"),
        (lambda _: nn.Sequential(ScaledResidual([nn.Linear(20, 20)])), (20,), "ScaledResidual, is not reg"),
        (lambda _: nn.Sequential(larger_residual()), (20,), "Residual with other parts"),
        (lambda _: nn.Sequential(Residual([nn.Linear(20, 1)])), (20,), r"gives \(1,\) and shortcut \(20,\)"),
        (lambda _: nn.Sequential(Residual([nn.Softmax(1)]), nn.Linear(20, 1)), (20,), "Softmax, is not reg"),
        (
            lambda _: nn.Sequential(nn.Linear(20, 20), Residual([nn.ReLU(inplace=True)])),
            (20,),
            r"ReLU\(inplace=True\) overwrites",
        ),
        (lambda _: norm_of_inputs(momentum=None), (20,), "momentum=None"),
        (lambda _: norm_of_inputs(affine=False), (20,), "affine=False"),
        (lambda _: norm_of_inputs(track_running_stats=False), (20,), "track_running_stats=False"),
        (lambda _: nn.Sequential(nn.Linear(20, 10), nn.ELU(inplace=True)), (20,), "ELU.inplace=True"),
        (lambda _: nn.Sequential(nn.Linear(20, 10), nn.Tanh(), nn.ReLU(inplace=True)), (20,), "overwrites"),
        (lambda _: nn.Sequential(nn.Linear(20, 10), nn.Softmax(1)), (20,), "Softmax, is not registered"),
        (lambda _: nn.Sequential(nn.Linear(20, 10)).double(), (20,), "float64, not float32"),
        (
            lambda _: nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(20, 10))),
            (20,),
            "ParametrizedLinear, is not registered",
        ),
    ],
)
def test_what_has_no_bitwise_form_says_why(
    build: Callable[[int], nn.Module], shape: tuple[int, ...], reason: str
) -> None:
    with pytest.raises(UnsupportedLayerError, match=reason):
        stacked(lanes_of(lambda: build(16)), shape)


@pytest.mark.parametrize("examples", [7, 16])
def test_examples_of_several_dimensions(examples: int) -> None:
    """LayerNorm and activations before Flatten, whose gradient has to be unflattened."""
    nets = lanes_of(
        lambda: nn.Sequential(
            nn.LayerNorm([4, 6]), nn.ReLU(), nn.LayerNorm(6), nn.Flatten(), nn.Linear(24, 3)
        )
    )
    x = torch.randn(LANES, examples, 4, 6)
    copies = copy.deepcopy(nets)
    stack = stacked(nets, (4, 6))
    check_step(stack, nets, copies, x)


@pytest.mark.parametrize("outputs", [16, 48, 64, 128])
@pytest.mark.parametrize("examples", [1, 31, 128])
def test_bias_gradients_of_interleaved_lanes(outputs: int, examples: int) -> None:
    """Batch norm leaves the lanes of an example side by side; some sums of those are in another order."""
    nets = [nn.Sequential(nn.Linear(3, outputs), nn.BatchNorm1d(outputs)) for _ in range(3)]
    state = StackedState(nets)
    layer = StackedSequential(nets, state, [torch.Generator()] * 3, (3,)).layers[0]
    assert isinstance(layer, StackedLinear)
    grad = torch.randn(examples, 3, outputs).transpose(0, 1)
    layer.sum_examples(grad)
    assert state.gradients["0.bias"].equal(torch.stack([lane.contiguous().sum(0) for lane in grad]))
