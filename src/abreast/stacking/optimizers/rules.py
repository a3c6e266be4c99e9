"""Optimizers that a stack can step for many lanes with their own hyperparameters at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from torch import Tensor
from torch.optim import Optimizer

from abreast.stacking.optimizers import formulas as formulas
from abreast.stacking.optimizers.formulas import Column, Columns, Flags, Tile

ParamGroup: TypeAlias = dict[str, Any]  # of `Optimizer.param_groups`
Update: TypeAlias = Callable[[Tile, Mapping[str, Tensor], Flags], None]

REFUSED = ("amsgrad", "capturable", "differentiable", "maximize", "foreach", "adanorm", "cautious", "use_gc")
FLAGS = ("fused", "nesterov", "centered", "decoupled_weight_decay", "fixed_decay")
SWITCHES = ("momentum", "weight_decay")  # numbers of which 0 leaves a part of the update out


@dataclass(frozen=True)
class Rule:
    """How an optimizer updates its parameters.

    Attributes:
        state: What it keeps of each value.
        settings: The numbers among its hyperparameters.
        coefficients: The factors of the update, from the settings and the number of steps with this one.
        update: Updates a tile, given its lanes' coefficients `[n, 1]` and the flags.
        numbers: What the optimizer keeps of each parameter as one number; coefficients of these names are
            its new values.
        counts: Whether coefficients change with the number of steps.
        has_fused: Whether it is the rule of the optimizer's fused kernel on the CPU, too.
    """

    state: Callable[[Flags], tuple[str, ...]]
    settings: tuple[str, ...]
    coefficients: Callable[[Columns, Column], dict[str, Column]]
    update: Update
    numbers: tuple[str, ...] = ("step",)
    counts: bool = False
    has_fused: bool = False


def _momenta(on: Flags) -> tuple[str, ...]:
    return ("momentum_buffer",) if on["momentum"] else ()


def _moments(on: Flags) -> tuple[str, ...]:
    return ("exp_avg", "exp_avg_sq")


def _of_rmsprop(on: Flags) -> tuple[str, ...]:
    return ("square_avg", *(("grad_avg",) if on["centered"] else ()), *_momenta(on))


_BETAS = ("lr", "beta1", "beta2", "eps", "weight_decay")
_NADAM = (*_BETAS, "momentum_decay")
_RMSPROP = ("lr", "alpha", "eps", "weight_decay", "momentum")
_ADAGRAD = ("lr", "lr_decay", "eps", "weight_decay")
RULES: dict[str, Rule] = {
    "torch.SGD": Rule(
        _momenta,
        ("lr", "momentum", "dampening", "weight_decay"),
        formulas.sgd_coefficients,
        formulas.sgd,
        numbers=(),
        has_fused=True,
    ),
    "torch.Adam": Rule(
        _moments, _BETAS, formulas.adam_coefficients, formulas.adam, counts=True, has_fused=True
    ),
    "torch.AdamW": Rule(
        _moments, _BETAS, formulas.adam_coefficients, formulas.adam, counts=True, has_fused=True
    ),
    "torch.NAdam": Rule(
        _moments,
        _NADAM,
        formulas.nadam_coefficients,
        formulas.nadam,
        numbers=("step", "mu_product"),
        counts=True,
    ),
    "torch.RMSprop": Rule(_of_rmsprop, _RMSPROP, formulas.rmsprop_coefficients, formulas.rmsprop),
    "torch.Adagrad": Rule(
        lambda _: ("sum",), _ADAGRAD, formulas.adagrad_coefficients, formulas.adagrad, counts=True
    ),
    "pytorch_optimizer.Lion": Rule(
        lambda _: ("exp_avg",),
        ("lr", "beta1", "beta2", "weight_decay"),
        formulas.lion_coefficients,
        formulas.lion,
        numbers=(),
    ),
}


def rule_of(optimizer: Optimizer) -> Rule | None:
    """The rule of the optimizer's class, whatever its settings; None if there is none."""
    kind = type(optimizer)
    return RULES.get(f"{kind.__module__.partition('.')[0]}.{kind.__qualname__}")


def flags(optimizer: Optimizer, group: ParamGroup) -> Flags | None:
    """What must be equal for lanes that are updated together; None for settings that the rule lacks."""
    rule = rule_of(optimizer)
    numbers = [group.get("lr"), *group.get("betas", ())]
    if rule is None or not all(isinstance(number, (int, float)) for number in numbers):
        return None
    is_coupled = "weight_decouple" in group and not group["weight_decouple"] and group["weight_decay"]
    is_odd = any(group.get(key) for key in REFUSED) or getattr(optimizer, "maximize", False) or is_coupled
    if is_odd or (group.get("fused") and not rule.has_fused):
        return None
    return {key: bool(group.get(key)) for key in (*FLAGS, *SWITCHES)}


def settings(rule: Rule, group: ParamGroup) -> list[float]:
    """The values of the rule's settings in a parameter group."""
    beta1, beta2 = group.get("betas", (0.0, 0.0))
    betas = {"beta1": beta1, "beta2": beta2}
    return [betas[key] if key in betas else group[key] for key in rule.settings]
