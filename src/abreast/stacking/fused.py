"""The steps of torch's fused optimizers without what their `step` does around the kernel each time.

The kernels, their arguments and the state are the optimizer's own, so the bits are too. Small networks spend
more time around the kernel than in it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer

Step = Callable[[], None]


def fused_step(optimizer: Optimizer) -> Step | None:
    """What `optimizer.step()` does from its second call on; None for what has no such kernel.

    It must have stepped once. Settings are read each time, so that schedules can move them; the parameters,
    their gradients and the state must stay where they are.
    """
    groups = optimizer.param_groups
    if type(optimizer) not in (Adam, AdamW, SGD) or not all(_is_plain(group) for group in groups):
        return None
    return _sgd(optimizer) if isinstance(optimizer, SGD) else _adam(optimizer)


def _is_plain(group: dict[str, Any]) -> bool:
    odd = ("amsgrad", "capturable", "differentiable")
    on_cpu = all(p.device.type == "cpu" and p.grad is not None for p in group["params"])
    return bool(
        group["fused"]
        and on_cpu
        and not any(group.get(key) for key in odd)
        and isinstance(group["lr"], (int, float))
    )


def _gradients(group: dict[str, Any]) -> list[Tensor]:
    return [p.grad for p in group["params"]]


def _states(optimizer: Optimizer, parameters: list[nn.Parameter], key: str) -> list[Tensor]:
    return [optimizer.state[p][key] for p in parameters]


def _adam(optimizer: Optimizer) -> Step:
    state = optimizer.state
    count = next(iter(state.values()))["step"]  # all have stepped as often: one count for all
    for each in state.values():
        each["step"] = count
    calls = []
    for group in optimizer.param_groups:
        parameters = group["params"]
        moments = [_states(optimizer, parameters, key) for key in ("exp_avg", "exp_avg_sq")]
        kernel = torch._fused_adamw_ if group["decoupled_weight_decay"] else torch._fused_adam_
        tensors = (parameters, _gradients(group), *moments, [], [count] * len(parameters))
        calls.append((kernel, tensors, group))

    @torch.no_grad()
    def step() -> None:
        count.add_(1)
        for kernel, tensors, group in calls:
            beta1, beta2 = group["betas"]
            kernel(
                *tensors,
                amsgrad=False,
                lr=group["lr"],
                beta1=beta1,
                beta2=beta2,
                weight_decay=group["weight_decay"],
                eps=group["eps"],
                maximize=group["maximize"],
            )

    return step


def _sgd(optimizer: Optimizer) -> Step | None:
    calls = []
    for group in optimizer.param_groups:
        parameters = group["params"]
        momenta: list[Tensor] = []
        if group["momentum"] == 0 and ("max_momentum" in group or "base_momentum" in group):
            return None  # a schedule that moves the momentum too
        if group["momentum"] != 0:
            momenta = _states(optimizer, parameters, "momentum_buffer")
        calls.append(((parameters, _gradients(group), momenta), group))

    @torch.no_grad()
    def step() -> None:
        for tensors, group in calls:
            torch._fused_sgd_(
                *tensors,
                weight_decay=group["weight_decay"],
                momentum=group["momentum"],
                lr=group["lr"],
                dampening=group["dampening"],
                nesterov=group["nesterov"],
                maximize=group["maximize"],
                is_first_step=False,
            )

    return step
