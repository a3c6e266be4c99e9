"""Where the time of a step goes: the Trainer, the loop, its matrix products, and the peak of the machine."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from hydra.utils import execution_whitelist
from lightning.pytorch import Callback

from abreast.runtime.process import prepare_process
from abreast.stacking.build import stack_trainer
from abreast.stacking.chunk import Chunk
from abreast.stacking.loader import StackLoader
from bench_common import WHITELIST, built_stack
from bench_sweep_arms import configs

STEPS = 41  # an epoch of digits


class Turns(Callback):
    """Before each epoch of the Trainer: the same by the bare loop, by the products alone, and the peak.

    Seconds a lane-step of each, and `peak` in floating-point operations a second; the first turn is left out.
    """

    def __init__(self, chunks: Sequence[Chunk], loader: StackLoader) -> None:
        self.chunks = chunks
        self.loader = loader
        self.lanes = sum(len(chunk.lanes) for chunk in chunks)
        self.rows = loader.batch_size
        self.calls = [call for chunk in chunks for call in self._products(chunk)]
        self.seconds_of: dict[str, list[float]] = {"loop": [], "products": [], "peak": [], "trainer": []}

    def on_train_epoch_start(self, *_: Any) -> None:
        """The others' turns."""
        for name, action in (("loop", self.loop), ("products", self.products)):
            began = time.perf_counter()
            action()
            self.seconds_of[name].append((time.perf_counter() - began) / self.loader.batches / self.lanes)
        self.seconds_of["peak"].append(peak())
        self.began = time.perf_counter()

    def on_validation_start(self, *_: Any) -> None:
        """The Trainer's turn is over."""
        seconds = time.perf_counter() - self.began
        self.seconds_of["trainer"].append(seconds / self.loader.batches / self.lanes)

    def loop(self) -> None:
        """An epoch without Lightning: its order, the same steps, its losses and metrics."""
        for block in self.loader:
            ends = block.start + len(block) == self.loader.batches
            for chunk in self.chunks:
                chunk.train(block, ends_epoch=ends)
        for chunk in self.chunks:
            torch.cat(chunk.losses).isfinite().all(0).tolist()
            chunk.losses.clear()
            for lane, values in zip(chunk.lanes, chunk.train_metrics.compute(), strict=True):
                lane.learner.record("train", values)
                lane.learner.epoch_progress.samples.clear()

    def _products(self, chunk: Chunk) -> list[tuple[torch.Tensor, ...]]:
        """Two factors and where their product goes, for every product of a chunk's step."""
        products: list[tuple[torch.Tensor, ...]] = []
        lanes = len(chunk.lanes)
        weights = [tensor.detach() for tensor in chunk.state.parameters.values() if tensor.ndim == 3]
        for layer, weight in enumerate(weights):
            _, outputs, inputs = weight.shape
            x, grad = torch.randn(lanes, self.rows, inputs), torch.randn(lanes, self.rows, outputs)
            products.append((x, weight.transpose(1, 2), torch.empty_like(grad)))
            products.append((grad.transpose(1, 2), x, torch.empty_like(weight)))
            if layer > 0:
                products.append((grad, weight, torch.empty_like(x)))
        return products

    def products(self) -> None:
        """The matrix products of an epoch, into memory that is there."""
        for _ in range(self.loader.batches):
            for one, other, out in self.calls:
                torch.bmm(one, other, out=out)

    def flops(self) -> float:
        """Floating-point operations of a lane-step's products."""
        return 2.0 * sum(one.numel() * other.shape[2] for one, other, _ in self.calls) / self.lanes


def peak() -> float:
    """The most floating-point operations a second that one thread reaches in a matrix product just now."""
    a, b = torch.randn(1024, 1024), torch.randn(1024, 1024)
    best = math.inf
    for _ in range(3):
        began = time.perf_counter()
        a @ b
        best = min(best, time.perf_counter() - began)
    return 2 * 1024**3 / best


def steps(net: str, lanes: int, turns: int) -> dict[str, Any]:
    """All of it for one net and number of lanes, on one thread, by turns."""
    sweep = configs(net, lanes, turns + 1)
    torch.set_num_threads(1)
    prepare_process()
    with execution_whitelist(WHITELIST), tempfile.TemporaryDirectory() as folder:
        stack = built_stack(sweep, Path(folder), limit_train_batches=STEPS)
        turn = Turns(stack.chunks, stack.train_dataloader())
        trainer = stack_trainer(sweep[0], [turn])
        stack.attach(trainer)
        trainer.fit(stack)
    return {
        "net": net,
        "lanes": lanes,
        "flops": turn.flops(),
        **{name: values[1:] for name, values in turn.seconds_of.items()},
    }
