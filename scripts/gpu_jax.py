"""The same training in JAX, for `gpu_arms.py`: vmap over lanes in a scan over steps, compiled by XLA."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from torch import Tensor, nn

LR, BETAS, EPS = 1e-3, (0.9, 0.999), 1e-8


class Setting(Protocol):
    """What is needed of `gpu_arms.Setting`."""

    device: str
    inputs: Tensor
    targets: Tensor
    mean: float
    scale: float

    def order(self, seed: int = 0) -> Tensor: ...


# Of products of float32 matrices: JAX multiplies in TF32 on a GPU unless it is told, also by "bfloat16".
PRECISIONS = {"float32": "highest", "tf32": "tensorfloat32", "bf16": "BF16_BF16_F32"}


def scanned(net: nn.Module, setting: Setting, lanes: int, precision: str) -> Callable[[], Any]:
    """A call that trains `lanes` copies of a multi-layer perceptron with ReLUs; gives the losses `[S, K]`."""
    jax: Any = importlib.import_module("jax")
    jnp: Any = importlib.import_module("jax.numpy")
    if setting.device == "cuda" and jax.default_backend() != "gpu":
        raise ValueError(f"this JAX has no GPU, but {jax.default_backend()}")

    linears = [layer for layer in net.modules() if isinstance(layer, nn.Linear)]
    if any(isinstance(layer, (nn.Conv2d, nn.BatchNorm1d)) for layer in net.modules()):
        raise ValueError("only multi-layer perceptrons are written in JAX here")
    one = [(layer.weight.detach().numpy().T, layer.bias.detach().numpy()) for layer in linears]
    weights: Any = jax.tree.map(lambda array: jnp.broadcast_to(array, (lanes, *array.shape)).copy(), one)
    zeros = jax.tree.map(jnp.zeros_like, weights)
    inputs = jnp.asarray(setting.inputs.flatten(1).cpu().numpy())
    targets = jnp.asarray(setting.targets.cpu().numpy())
    orders = np.stack([setting.order(lane // 8).cpu().numpy() for lane in range(lanes)], 1)
    order = jnp.asarray(orders)  # [steps, lanes, batch]

    def loss(parameters: Any, rows: Any) -> Any:
        x = (inputs[rows].astype(jnp.float32) - setting.mean) * setting.scale
        for number, (weight, bias) in enumerate(parameters):
            x = x @ weight + bias
            x = x if number + 1 == len(parameters) else jax.nn.relu(x)
        picked = jnp.take_along_axis(jax.nn.log_softmax(x), targets[rows][:, None], 1)
        return -picked.mean()

    gradient = jax.vmap(jax.value_and_grad(loss))

    def step(state: Any, rows: Any) -> Any:
        values, means, squares, taken = state
        taken = taken + 1
        losses, grads = gradient(values, rows)
        means = jax.tree.map(lambda m, g: m + (1 - BETAS[0]) * (g - m), means, grads)
        squares = jax.tree.map(lambda s, g: BETAS[1] * s + (1 - BETAS[1]) * g * g, squares, grads)
        first, second = 1 - BETAS[0] ** taken, 1 - BETAS[1] ** taken
        values = jax.tree.map(
            lambda v, m, s: v - LR / first * m / (jnp.sqrt(s / second) + EPS), values, means, squares
        )
        return (values, means, squares, taken), losses

    scan = jax.jit(lambda state, order: jax.lax.scan(step, state, order), donate_argnums=0)
    state: Any = (weights, zeros, jax.tree.map(jnp.copy, zeros), jnp.zeros((), jnp.float32))

    def train() -> Any:
        nonlocal state
        with jax.default_matmul_precision(PRECISIONS[precision]):
            state, losses = scan(state, order)
        return losses.block_until_ready()

    return train
