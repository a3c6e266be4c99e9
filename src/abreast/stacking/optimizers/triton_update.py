"""The update of a parameter of all lanes by one Triton kernel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from torch import Tensor

from abreast.stacking.optimizers import formulas as formulas
from abreast.stacking.optimizers import triton_kernels
from abreast.stacking.optimizers.device_update import Factors, Slab
from abreast.stacking.optimizers.formulas import Flags
from abreast.stacking.optimizers.rules import Rule, Update

BLOCK, SMALL_BLOCK = 1024, 128  # values of a program


class Kernel(NamedTuple):
    """A kernel, the state that not every flag makes, and its flags by the names of its arguments."""

    function: Any
    optional: tuple[str, ...]
    flags: dict[str, str]


_DECAY = {"has_decay": "weight_decay"}
_DECOUPLED = {**_DECAY, "is_decoupled": "decoupled_weight_decay"}
_MOMENTUM = {**_DECAY, "has_momentum": "momentum"}
KERNELS: dict[Update, Kernel] = {
    formulas.sgd: Kernel(triton_kernels.sgd, ("momentum_buffer",), {**_MOMENTUM, "is_nesterov": "nesterov"}),
    formulas.adam: Kernel(triton_kernels.adam, (), _DECOUPLED),
    formulas.nadam: Kernel(triton_kernels.nadam, (), _DECOUPLED),
    formulas.rmsprop: Kernel(
        triton_kernels.rmsprop, ("grad_avg", "momentum_buffer"), {**_MOMENTUM, "is_centered": "centered"}
    ),
    formulas.adagrad: Kernel(triton_kernels.adagrad, (), _DECAY),
    formulas.lion: Kernel(triton_kernels.lion, (), {**_DECAY, "is_fixed": "fixed_decay"}),
}


def apply_kernel(
    rule: Rule, slab: Slab, factors: Factors, on: Flags, kernels: Mapping[Update, Kernel] = KERNELS
) -> None:
    """Update a parameter by one kernel, as `apply_formulas` does within rounding."""
    kernel = kernels[rule.update]
    lanes, values = slab.weight.shape
    tensors: dict[str, Tensor] = {**dict.fromkeys(kernel.optional, slab.weight), **slab.state}
    for name, value in zip(factors.names, factors.values.unbind(), strict=True):
        tensors[name.replace("-", "minus_")] = value
    size = SMALL_BLOCK if values <= SMALL_BLOCK else BLOCK
    kernel.function[(-(-values // size), lanes)](
        weight=slab.weight,
        grad=slab.grad,
        **tensors,
        active=factors.active,
        values=values,
        stride=slab.weight.stride(0),
        **{argument: on[flag] for argument, flag in kernel.flags.items()},
        size=size,
    )
