"""What `gpu.py` times: a stack of ours, and what others would write for the same networks and data.

Every arm gathers uint8 images by an epoch's order, normalises them, and trains with cross-entropy and Adam.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from abreast.runtime import fast_import  # noqa: F401  # isort: skip  first: it makes Lightning's import lean
import torch
from hydra.utils import execution_whitelist
from torch import Tensor
from torch.nn.functional import cross_entropy

import gpu_data
from abreast.build.steps import build_step_config
from abreast.runs.directory import RunDirectory
from abreast.runtime.process import prepare_process
from abreast.runtime.seeding import seed_everything
from abreast.stacking.build import Job, LaneBuilder, stack_trainer
from abreast.stacking.compaction import build_chunks
from abreast.stacking.grouping import plan
from abreast.stacking.layout import choose_layout
from abreast.stacking.module import Stack
from abreast.stacking.network_size import network_size
from abreast.stacking.split_data import SplitData
from abreast.stacking.training_rows import move_to_device
from gpu_setting import STEPS, WHITELIST, Prepared, Setting

LR, BETAS, EPS = 1e-3, (0.9, 0.999), 1e-8


def abreast(net: str, lanes: int, precision: str, device: str, folder: Path) -> Prepared:
    """Ours: the steps of a stack, as its Trainer's blocks take them."""
    configs = gpu_data.configs(net, lanes, folder, device, "steps_per_execution=50")
    setting = Setting(net, device, folder)
    prepare_process()
    seed_everything(0)
    with execution_whitelist(WHITELIST):
        order = plan(configs, lanes).stacks[0] if lanes > 1 else [0]
        _, steps = build_step_config(configs[0])
        builder = LaneBuilder(SplitData(configs[0], steps, shared=False), lanes)
        jobs = [Job(configs[number], folder / "lanes" / str(number)) for number in order]
        members = [builder.build(n, job, RunDirectory(job.directory)) for n, job in enumerate(jobs)]
        trainer = stack_trainer(configs[0])
    move_to_device(dict.fromkeys(lane.data for lane in members), trainer)
    for lane in members:
        lane.callbacks = []
        lane.learner.to(trainer.strategy.root_device)
    first = members[0].learner
    size = network_size(first.net, first.in_shape)
    layout = choose_layout(size, members[0].data.batch_size, on_cpu=device == "cpu")
    chunks = build_chunks(members, layout)
    stack = Stack(members, chunks, layout)
    stack.attach(trainer)
    block = next(iter(stack.train_dataloader()))

    def train() -> None:
        for chunk in chunks:
            chunk.train(block, ends_epoch=False)
            chunk.losses.clear()
            chunk.train_metrics.compute()

    return setting.prepared(train, len(block))


def graphed_loop(net: str, lanes: int, precision: str, device: str, folder: Path) -> Prepared:
    """One network; a step is a CUDA graph, as a careful person writes it."""
    setting = Setting(net, device, folder)
    module = setting.net().to(device)
    on_gpu = device == "cuda"
    optimizer = torch.optim.Adam(module.parameters(), lr=LR, fused=True, capturable=on_gpu)
    order = setting.order()
    rows = order[0].clone()
    losses = torch.zeros(STEPS, device=device)

    def step() -> Tensor:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device, torch.bfloat16, enabled=precision == "bf16", cache_enabled=False):
            loss = cross_entropy(module(setting.normalized(rows)), setting.targets[rows])
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return loss.detach()

    graph: Any = None
    if on_gpu:
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                step()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            static = step()

    def train() -> None:
        for number in range(STEPS):
            rows.copy_(order[number])
            if graph is None:
                losses[number] = step()
            else:
                graph.replay()
                losses[number].copy_(static)

    return setting.prepared(train)


def vmap(net: str, lanes: int, precision: str, device: str, folder: Path) -> Prepared:
    """K networks by `torch.func`, as PyTorch's tutorial on ensembles has it."""
    setting = Setting(net, device, folder)
    modules = [setting.net().to(device) for _ in range(lanes)]
    weights, buffers = torch.func.stack_module_state(modules)
    if buffers:
        raise ValueError("vmap does not take networks with running statistics")
    base = modules[0].to("meta")
    order = torch.stack([setting.order(lane // len(gpu_data.RATES)) for lane in range(lanes)], 1)
    moments = [{name: torch.zeros_like(value) for name, value in weights.items()} for _ in range(2)]
    taken = 0

    def loss(parameters: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        with torch.autocast(device, torch.bfloat16, enabled=precision == "bf16", cache_enabled=False):
            return cross_entropy(torch.func.functional_call(base, parameters, (x,)), y)

    gradient = torch.func.vmap(torch.func.grad(loss))

    @torch.no_grad()
    def train() -> None:
        nonlocal taken
        values, means, squares = (list(named.values()) for named in (weights, *moments))
        for rows in order:
            taken += 1
            grads = list(gradient(weights, setting.normalized(rows), setting.targets[rows]).values())
            torch._foreach_lerp_(means, grads, 1 - BETAS[0])
            torch._foreach_mul_(squares, BETAS[1])
            torch._foreach_addcmul_(squares, grads, grads, 1 - BETAS[1])
            deviations = torch._foreach_sqrt(squares)
            torch._foreach_div_(deviations, (1 - BETAS[1] ** taken) ** 0.5)
            torch._foreach_add_(deviations, EPS)
            torch._foreach_addcdiv_(values, means, deviations, -LR / (1 - BETAS[0] ** taken))

    return setting.prepared(train)


def lightning(net: str, lanes: int, precision: str, device: str, folder: Path) -> Prepared:
    """One network by Lightning, as its documentation writes it."""
    from gpu_lightning import trained

    setting = Setting(net, device, folder)
    inputs = setting.data.train.inputs.float().sub(setting.mean).mul(setting.scale)
    rows = (inputs[: 4 * STEPS * setting.batch], setting.data.train.targets[: 4 * STEPS * setting.batch])
    module = setting.net()
    batches = min(STEPS, len(rows[0]) // setting.batch)
    return setting.prepared(lambda: trained(module, rows, setting.batch, batches, device, folder), batches)


def jax_scan(net: str, lanes: int, precision: str, device: str, folder: Path) -> Prepared:
    """K multi-layer perceptrons by JAX: vmap over lanes in a scan over steps, compiled."""
    from gpu_jax import scanned

    setting = Setting(net, device, folder)
    return setting.prepared(scanned(setting.net(), setting, lanes, precision))


ARMS: dict[str, Callable[[str, int, str, str, Path], Prepared]] = {
    "abreast": abreast,
    "graphed loop": graphed_loop,
    "torch.func vmap": vmap,
    "idiomatic Lightning": lightning,
    "JAX vmap + scan": jax_scan,
}
