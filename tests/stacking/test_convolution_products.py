"""A convolution's products lane by lane and as one grouped convolution, against autograd; and the choice."""

from __future__ import annotations

from itertools import product

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from abreast.stacking.layers import convolution_products
from abreast.stacking.layers.convolution_products import (
    GROUPED_UP_TO,
    Convolution,
    Form,
    Gradients,
    Products,
    Shape,
    choose_form,
)

LANES = 3
ALONE = Form(False, False, False)
SETTINGS = [
    Convolution((1, 1), (0, 0), (1, 1), 1),
    Convolution((2, 1), (1, 2), (1, 1), 1),
    Convolution((1, 1), (2, 2), (2, 2), 1),
    Convolution((1, 1), (1, 1), (1, 1), 4),
]


def values(settings: Convolution, channels: int = 8, examples: int = 5) -> tuple[Tensor, Tensor, Tensor]:
    """Inputs, weights and biases."""
    generator = torch.Generator().manual_seed(2)
    return (
        torch.randn(LANES, examples, channels, 7, 6, generator=generator),
        torch.randn(LANES, 16, channels // settings.groups, 3, 3, generator=generator),
        torch.randn(LANES, 16, generator=generator),
    )


def computed(settings: Convolution, form: Form, x: Tensor, weight: Tensor, bias: Tensor) -> list[Tensor]:
    """Outputs, and the gradients of weights, biases and inputs for the outputs as their gradient."""
    single = settings.output(x[0], weight[0], None)
    out = torch.empty(LANES, *single.shape)
    into = Gradients(torch.empty_like(weight), torch.empty_like(bias), torch.empty_like(x))
    products = Products(settings, form)
    products.output(x, weight, bias, out)
    products.gradients(out, x, weight, into)
    assert into.bias is not None
    assert into.inputs is not None
    return [out, into.weight, into.bias, into.inputs]


@pytest.mark.parametrize("form", [Form(*form) for form in product([False, True], repeat=3)])
@pytest.mark.parametrize("settings", SETTINGS)
def test_every_form_is_the_convolution(settings: Convolution, form: Form) -> None:
    x, weight, bias = values(settings)
    results = computed(settings, form, x, weight, bias)
    for lane in range(LANES):
        leaves = [value[lane].clone().requires_grad_() for value in (weight, bias, x)]
        out = F.conv2d(
            leaves[2],
            leaves[0],
            leaves[1],
            settings.stride,
            settings.padding,
            settings.dilation,
            settings.groups,
        )
        out.backward(out.detach())
        # Sums of up to 210 products of values of order 10, rounded in another order.
        for result, expected in zip(results, [out, *(leaf.grad for leaf in leaves)], strict=True):
            torch.testing.assert_close(result[lane], expected, rtol=1e-5, atol=1e-3)


def shape_of(settings: Convolution, x: Tensor, weight: Tensor) -> Shape:
    return Shape(settings, tuple(x.shape), tuple(weight.shape), True, True, torch.get_num_threads())


@pytest.mark.parametrize("channels", [4, 8, 12])
@pytest.mark.parametrize("examples", [5, 16])
@pytest.mark.parametrize("settings", SETTINGS)
def test_the_chosen_form_is_exact(
    settings: Convolution, examples: int, channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is chosen has the bits of each lane alone, though grouped forms always seem to be faster."""
    monkeypatch.setattr(convolution_products, "_seconds", lambda _, form: -sum(form))
    choose_form.cache_clear()
    x, weight, bias = values(settings, channels, examples)
    form = choose_form(shape_of(settings, x, weight))
    choose_form.cache_clear()
    for result, alone in zip(
        computed(settings, form, x, weight, bias), computed(settings, ALONE, x, weight, bias), strict=True
    ):
        assert result.equal(alone)


def test_slower_forms_are_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convolution_products, "_seconds", lambda _, form: sum(form))
    choose_form.cache_clear()
    x, weight, _ = values(SETTINGS[0])
    assert choose_form(shape_of(SETTINGS[0], x, weight)) == ALONE
    choose_form.cache_clear()


def test_what_cannot_pay_off_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(convolution_products, "_seconds")
    x, weight, _ = values(SETTINGS[0])
    assert choose_form(shape_of(SETTINGS[0], x[:1], weight[:1])) == ALONE
    examples = int(GROUPED_UP_TO) // (weight[0].numel() * 5 * 4) + 1
    assert choose_form(shape_of(SETTINGS[0], torch.empty(3, examples, 8, 7, 6), weight)) == ALONE
