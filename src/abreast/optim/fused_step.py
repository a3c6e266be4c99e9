"""Steps of torch's fused optimizers that call the kernels directly.

Kernels, arguments and state are those of the optimizer, so the results are bitwise identical. In small
networks `Optimizer.step` spends more time around the kernel than in it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim import optimizer as of_torch

from abreast.runtime.patches import is_on

Step = Callable[[], None]
ParamGroup: TypeAlias = dict[str, Any]  # of `Optimizer.param_groups`
Call = Callable[[list[Tensor]], None]
ODD = ("amsgrad", "differentiable")  # `capturable` is the same kernel


def fused_step(optimizer: Optimizer, *, share_counts: bool = False) -> Step | None:
    """A function that does what `optimizer.step()` does from its second call on.

    Settings and gradients are read at every call; parameters and state must remain the same tensors.

    Args:
        optimizer: Adam, AdamW or SGD with `fused=True`, which has stepped once with all its parameters.
        share_counts: Let parameters that have stepped equally often share one step counter. The optimizer's
            `step` would then count several times.

    Returns:
        The step; None for other optimizers and settings, with hooks, or where the patch is off.
    """
    groups = [group for group in optimizer.param_groups if group["params"]]
    parameters = [p for group in groups for p in group["params"]]
    known = is_on("fused_step") and type(optimizer) in (Adam, AdamW, SGD) and not is_watched(optimizer)
    if not (known and all(map(_is_plain, groups)) and len({(p.device, p.dtype) for p in parameters}) == 1):
        return None
    counts: list[Tensor] = []
    if isinstance(optimizer, SGD):
        calls: list[Call | None] = [_sgd(optimizer, group) for group in groups]
    elif all("step" in optimizer.state[p] for p in parameters):
        counts = _states(optimizer, parameters, "step")
        if share_counts and counts[0].device.type == "cpu":  # elsewhere comparing them waits for the device
            shared: dict[float, Tensor] = {}
            for parameter, count in zip(parameters, counts, strict=True):
                optimizer.state[parameter]["step"] = shared.setdefault(float(count), count)
            counts = [*shared.values()]
        calls = [_adam(optimizer, group) for group in groups]
    else:
        return None
    pairs = [(group, call) for group, call in zip(groups, calls, strict=True) if call is not None]
    if len(pairs) < len(groups):
        return None
    vars(optimizer)["_opt_called"] = True  # schedules ask whether `step`, of which they count the calls, was

    @torch.no_grad()
    def step() -> None:
        gradients = [[p.grad for p in group["params"]] for group, _ in pairs]
        if any(gradient is None for of_group in gradients for gradient in of_group):
            optimizer.step()  # leaves those parameters out
            return
        if counts:
            torch._foreach_add_(counts, 1)
        for (_, call), of_group in zip(pairs, gradients, strict=True):
            call(of_group)

    return step


def is_watched(optimizer: Optimizer) -> bool:
    """Whether hooks are called at its steps."""
    hooks = (optimizer._optimizer_step_pre_hooks, optimizer._optimizer_step_post_hooks)
    return any(hooks) or any((of_torch._global_optimizer_pre_hooks, of_torch._global_optimizer_post_hooks))


def _is_plain(group: ParamGroup) -> bool:
    odd = any(group.get(key) for key in ODD)
    return bool(group["fused"] and not odd and isinstance(group["lr"], (int, float)))


def _states(optimizer: Optimizer, parameters: list[nn.Parameter], key: str) -> list[Tensor]:
    return [optimizer.state[p][key] for p in parameters]


def _adam(optimizer: Optimizer, group: ParamGroup) -> Call:
    parameters = group["params"]
    means, squares = (_states(optimizer, parameters, key) for key in ("exp_avg", "exp_avg_sq"))
    counts = _states(optimizer, parameters, "step")
    kernel = torch._fused_adamw_ if group["decoupled_weight_decay"] else torch._fused_adam_

    def call(gradients: list[Tensor]) -> None:
        beta1, beta2 = group["betas"]
        kernel(
            parameters,
            gradients,
            means,
            squares,
            [],
            counts,
            amsgrad=False,
            lr=group["lr"],
            beta1=beta1,
            beta2=beta2,
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            maximize=group["maximize"],
        )

    return call


def _sgd(optimizer: Optimizer, group: ParamGroup) -> Call | None:
    parameters = group["params"]
    momenta: list[Tensor] = []
    if group["momentum"] != 0:
        momenta = [optimizer.state[p].get("momentum_buffer") for p in parameters]
        if any(momentum is None for momentum in momenta):
            return None
    elif "max_momentum" in group or "base_momentum" in group:
        return None  # a schedule that moves the momentum too

    def call(gradients: list[Tensor]) -> None:
        torch._fused_sgd_(
            parameters,
            gradients,
            momenta,
            weight_decay=group["weight_decay"],
            momentum=group["momentum"],
            lr=group["lr"],
            dampening=group["dampening"],
            nesterov=group["nesterov"],
            maximize=group["maximize"],
            is_first_step=False,
        )

    return call
