"""The trainable tensors that scores are computed with, and their gradients."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def has_usual_gradient(parameter: nn.Parameter) -> bool:
    """Whether every optimizer takes the parameter's gradient."""
    grad = parameter.grad
    return grad is None or (grad.layout == torch.strided and grad.dtype == torch.float32)


def leaves_of(scores: Tensor) -> dict[int, Tensor]:
    """The tensors that a gradient of the scores would be accumulated in, by identity; held, to keep it."""
    open_nodes, seen = [scores.grad_fn], set()
    held: dict[int, Tensor] = {}
    while open_nodes:
        node = open_nodes.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            held[id(node.variable)] = node.variable
        open_nodes += [following for following, _ in node.next_functions]
    return held
