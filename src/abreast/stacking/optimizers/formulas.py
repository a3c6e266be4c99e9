"""The updates of common optimizers, for many lanes with their own hyperparameters at once.

Each makes the operations of the optimizer in its order and rounding: `addcmul(a, b, c)` is `a + b * c`
rounded once, as are `add` with `alpha` and `addcmul` with `value`. Where a CPU or a version of torch rounds
otherwise, the check in `steppers` finds it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Column: TypeAlias = NDArray[np.float64]  # a value of each setting
Columns: TypeAlias = Mapping[str, Column]
Flags: TypeAlias = Mapping[str, bool]


class Tile(NamedTuple):
    """A part of a parameter of some lanes, `[n, values]` each, small enough to stay in a cache."""

    weight: Tensor
    grad: Tensor
    state: Mapping[str, Tensor]
    scratch: Tensor  # [3, n, values]
    is_remainder: bool  # values that a fused kernel does not update as a whole vector


def power(base: Column, exponent: Column) -> Column:
    """`base ** exponent` as Python computes it: numpy's vectorised function rounds differently."""
    if (base == base[0]).all() and (exponent == exponent[0]).all():
        return np.full(len(base), float(base[0]) ** float(exponent[0]))
    pairs = list(zip(base.tolist(), exponent.tolist(), strict=True))
    values = {pair: pair[0] ** pair[1] for pair in set(pairs)}
    return np.array([values[pair] for pair in pairs])


def _sqrt(x: Tensor, out: Tensor, *, is_fused: bool) -> Tensor:
    """The root as the kernel takes it: MKL's, which torch's own operation is, may differ in the last bit."""
    if not is_fused:
        return torch.sqrt(x, out=out)
    np.sqrt(x.numpy(), out=out.numpy())
    return out


def _with_decay(tile: Tile, c: Mapping[str, Tensor], on: Flags) -> Tensor:
    """The gradient with that of the weight decay."""
    if not on["weight_decay"]:
        return tile.grad
    return torch.addcmul(tile.grad, tile.weight, c["weight_decay"], out=tile.scratch[2])


def _add_squares(square: Tensor, grad: Tensor, keep: Tensor, new: Tensor, scratch: Tensor) -> None:
    """`keep * square + new * grad**2`."""
    torch.mul(grad, new, out=scratch)
    square.mul_(keep).addcmul_(scratch, grad)


def _add_quotient(weight: Tensor, factor: Tensor, one: Tensor, other: Tensor, scratch: Tensor) -> None:
    """`weight + factor * one / other`."""
    weight.add_(torch.mul(one, factor, out=scratch).div_(other))


def sgd_coefficients(s: Columns, step: Column) -> dict[str, Column]:
    """The factors in `sgd`."""
    used = {key: s[key] for key in ("momentum", "weight_decay")}
    return {**used, "-lr": -s["lr"], "new": np.where(step == 1, 1.0, 1 - s["dampening"])}


def sgd(tile: Tile, c: Mapping[str, Tensor], on: Flags) -> None:
    """SGD, with or without momentum."""
    grad = _with_decay(tile, c, on)
    if on["momentum"]:
        buffer = tile.state["momentum_buffer"]
        if tile.is_remainder:
            scaled = torch.mul(grad, c["new"], out=tile.scratch[0])
            torch.addcmul(scaled, buffer, c["momentum"], out=buffer)
        else:
            buffer.mul_(c["momentum"]).addcmul_(grad, c["new"])
        out = tile.scratch[2]
        grad = torch.addcmul(grad, buffer, c["momentum"], out=out) if on["nesterov"] else buffer
    tile.weight.addcmul_(grad, c["-lr"])


def _moment_coefficients(s: Columns) -> dict[str, Column]:
    """The factors that Adam, AdamW and NAdam share."""
    return {
        **{key: s[key] for key in ("beta2", "eps", "weight_decay")},
        "kept": 1 - s["lr"] * s["weight_decay"],
        "new1": 1 - s["beta1"],
        "new2": 1 - s["beta2"],
    }


def _moments(tile: Tile, c: Mapping[str, Tensor], on: Flags) -> tuple[Tensor, Tensor, Tensor]:
    """The gradient, after either kind of weight decay; its mean with it; the mean square without it."""
    if on["decoupled_weight_decay"] and on["weight_decay"]:
        tile.weight.mul_(c["kept"])
        grad = tile.grad
    else:
        grad = _with_decay(tile, c, on)
    return grad, tile.state["exp_avg"].lerp_(grad, c["new1"]), tile.state["exp_avg_sq"]


def adam_coefficients(s: Columns, step: Column) -> dict[str, Column]:
    """The factors in `adam`."""
    return {
        **_moment_coefficients(s),
        "root": np.sqrt(1 - power(s["beta2"], step)),
        "-size": -(s["lr"] / (1 - power(s["beta1"], step))),
    }


def adam(tile: Tile, c: Mapping[str, Tensor], on: Flags) -> None:
    """Adam and AdamW."""
    grad, mean, square = _moments(tile, c, on)
    scratch = tile.scratch[0]
    if tile.is_remainder:
        torch.mul(grad, c["new2"], out=scratch).mul_(grad)
        torch.addcmul(scratch, square, c["beta2"], out=square)
    else:
        _add_squares(square, grad, c["beta2"], c["new2"], scratch)
    root = _sqrt(square, scratch, is_fused=on["fused"]).div_(c["root"]).add_(c["eps"])
    _add_quotient(tile.weight, c["-size"], mean, root, tile.scratch[1])


def nadam_coefficients(s: Columns, step: Column) -> dict[str, Column]:
    """The factors in `nadam`."""
    now, following = (
        s["beta1"] * (1 - 0.5 * power(np.full_like(step, 0.96), count * s["momentum_decay"]))
        for count in (step, step + 1)
    )
    product = (s["mu_product"].astype(np.float32) * now.astype(np.float32)).astype(np.float64)
    return {
        **_moment_coefficients(s),
        "mu_product": product,
        "correction": 1 - power(s["beta2"], step),
        "-grad": -s["lr"] * (1 - now) / (1 - product),
        "-mean": -s["lr"] * following / (1 - product * following),
    }


def nadam(tile: Tile, c: Mapping[str, Tensor], on: Flags) -> None:
    """NAdam."""
    grad, mean, square = _moments(tile, c, on)
    scratch = tile.scratch[0]
    _add_squares(square, grad, c["beta2"], c["new2"], scratch)
    root = torch.div(square, c["correction"], out=scratch).sqrt_().add_(c["eps"])
    _add_quotient(tile.weight, c["-grad"], grad, root, tile.scratch[1])
    _add_quotient(tile.weight, c["-mean"], mean, root, tile.scratch[1])


def rmsprop_coefficients(s: Columns, step: Column) -> dict[str, Column]:
    """The factors in `rmsprop`."""
    used = {key: s[key] for key in ("alpha", "eps", "weight_decay", "momentum")}
    return {**used, "-lr": -s["lr"], "new": 1 - s["alpha"]}


def rmsprop(tile: Tile, c: Mapping[str, Tensor], on: Flags) -> None:
    """RMSprop, centered or not, with or without momentum."""
    grad, square, scratch = _with_decay(tile, c, on), tile.state["square_avg"], tile.scratch[0]
    _add_squares(square, grad, c["alpha"], c["new"], scratch)
    if on["centered"]:
        mean = tile.state["grad_avg"].lerp_(grad, c["new"])
        torch.addcmul(square, mean, mean, value=-1, out=scratch)
    else:
        scratch.copy_(square)
    root = scratch.sqrt_().add_(c["eps"])
    if on["momentum"]:
        buffer = tile.state["momentum_buffer"].mul_(c["momentum"])
        buffer.add_(torch.div(grad, root, out=tile.scratch[1]))
        tile.weight.addcmul_(buffer, c["-lr"])
    else:
        _add_quotient(tile.weight, c["-lr"], grad, root, tile.scratch[1])


def adagrad_coefficients(s: Columns, step: Column) -> dict[str, Column]:
    """The factors in `adagrad`."""
    used = {key: s[key] for key in ("eps", "weight_decay")}
    return {**used, "-lr": -(s["lr"] / (1 + (step - 1) * s["lr_decay"]))}


def adagrad(tile: Tile, c: Mapping[str, Tensor], on: Flags) -> None:
    """Adagrad."""
    grad, total = _with_decay(tile, c, on), tile.state["sum"]
    root = torch.sqrt(total.addcmul_(grad, grad), out=tile.scratch[0]).add_(c["eps"])
    _add_quotient(tile.weight, c["-lr"], grad, root, tile.scratch[1])


def lion_coefficients(s: Columns, step: Column) -> dict[str, Column]:
    """The factors in `lion`."""
    return {
        "kept": 1 - s["weight_decay"] * s["lr"],
        "kept_fixed": 1 - s["weight_decay"],
        "new1": 1 - s["beta1"],
        "new2": 1 - s["beta2"],
        "-lr": -s["lr"],
    }


def lion(tile: Tile, c: Mapping[str, Tensor], on: Flags) -> None:
    """Lion."""
    if on["weight_decay"]:
        tile.weight.mul_(c["kept_fixed" if on["fixed_decay"] else "kept"])
    mean = tile.state["exp_avg"]
    sign = torch.lerp(mean, tile.grad, c["new1"], out=tile.scratch[0]).sign_()
    mean.lerp_(tile.grad, c["new2"])
    tile.weight.addcmul_(sign, c["-lr"])
