"""Muon for whole networks: torch's takes matrices only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Literal

import torch
from annotated_types import Ge, Le
from torch import Tensor, nn

from abreast.config.types import State
from abreast.optim.wrapper import evaluate

AdjustLr = Literal["original", "match_rms_adamw", "spectral_unclamped"]


class MuonAdamW(torch.optim.Optimizer):
    """Muon for the parameters that are matrices, AdamW for all others.

    Muon replaces the momentum M of a weight matrix by the nearest semi-orthogonal matrix, approximated by
    `ns_steps` Newton-Schulz iterations ``X <- a X + (b A + c A^2) X``, ``A = X X^T``, from ``X = M / |M|``.
    `param_groups` holds those of both optimizers, Muon's first, so a schedule scales both learning rates.
    Source: Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks".

    Args:
        params: The network's parameters, of any shape.
        lr, weight_decay, momentum, nesterov, eps, adjust_lr_fn: As for `torch.optim.Muon`.
        ns_coefficients: a, b and c.
        ns_steps: Newton-Schulz iterations.
        adamw: Arguments of `torch.optim.AdamW`; None: its defaults.

    >>> net = nn.Linear(3, 2)
    >>> optimizer = MuonAdamW(net.parameters(), lr=0.02, adamw={"lr": 0.001})
    >>> [(len(group["params"]), group["lr"]) for group in optimizer.param_groups]
    [(1, 0.02), (1, 0.001)]
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        lr: Annotated[float, Ge(0)] = 1e-3,
        weight_decay: Annotated[float, Ge(0)] = 0.1,
        momentum: Annotated[float, Ge(0)] = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        eps: Annotated[float, Ge(0)] = 1e-7,
        ns_steps: Annotated[int, Ge(1), Le(99)] = 5,
        adjust_lr_fn: AdjustLr | None = None,
        adamw: Mapping[str, Any] | None = None,
    ) -> None:
        params = list(params)
        matrices = [p for p in params if p.ndim == 2]
        others = [p for p in params if p.ndim != 2]
        self._parts: list[torch.optim.Optimizer] = []
        if matrices:
            self._parts.append(
                torch.optim.Muon(
                    matrices,
                    lr=lr,
                    weight_decay=weight_decay,
                    momentum=momentum,
                    nesterov=nesterov,
                    ns_coefficients=tuple(ns_coefficients),  # type: ignore[arg-type]
                    eps=eps,
                    ns_steps=ns_steps,
                    adjust_lr_fn=adjust_lr_fn,
                )
            )
        if others:
            self._parts.append(torch.optim.AdamW(others, **(adamw or {})))
        super().__init__([{"params": params}], {})
        self._share()

    def _share(self) -> None:
        """Make the groups of the parts those of this optimizer, for schedules to scale."""
        self.param_groups = [group for part in self._parts for group in part.param_groups]

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:  # type: ignore[override]
        """One step of both parts; returns the closure's loss."""
        loss = evaluate(closure)
        for part in self._parts:
            part.step()
        return loss

    def state_dict(self) -> State:
        """The parts' states, in order."""
        return {"parts": [part.state_dict() for part in self._parts]}

    def load_state_dict(self, state_dict: State) -> None:
        """Load what `state_dict` returned."""
        for part, state in zip(self._parts, state_dict["parts"], strict=True):
            part.load_state_dict(state)
        self._share()
