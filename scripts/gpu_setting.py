"""What `gpu.py` trains, ready on a device, and in which precision."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from abreast.runtime import fast_import  # noqa: F401  # isort: skip  first: it makes Lightning's import lean
import torch
from hydra.utils import execution_whitelist
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import gpu_data
from abreast.build.components import build_net
from abreast.build.data import build_data
from abreast.data.datamodule import DataModule
from abreast.data.loader import epoch_order
from abreast.runtime.matmul_precision import matmul_precision

WHITELIST = ["abreast.*", "torch.*", "lightning.*"]
STEPS = 40 if torch.cuda.is_available() else 4  # of a timed call


@dataclass
class Prepared:
    """A way to train, ready to be timed.

    Attributes:
        train: Takes `steps` steps of every lane.
        steps: Optimizer steps of a call.
        flops: Floating-point operations of a lane-step's products.
        parameters: Of one lane.
    """

    train: Callable[[], object]
    steps: int
    flops: float
    parameters: int


@contextmanager
def precision(name: str) -> Iterator[None]:
    """float32, tf32 (products of float32 only) or bf16 (autocast; in stacks of linear layers' products)."""
    backends: Any = torch.backends  # these settings have no type hints
    matmul, conv = backends.cuda.matmul, backends.cudnn.conv
    before = matmul.fp32_precision, conv.fp32_precision
    matmul.fp32_precision = "ieee"
    conv.fp32_precision = "tf32" if name == "tf32" else "ieee"
    asked = nullcontext() if name == "float32" else matmul_precision(name)  # type: ignore[arg-type]
    try:
        with asked:
            yield
    finally:
        matmul.fp32_precision, conv.fp32_precision = before


class Setting:
    """The run of a network: its data on the device, its initial weights, and what a step of it computes."""

    def __init__(self, net: str, device: str, folder: Path) -> None:
        self.cfg = gpu_data.configs(net, 1, folder, device)[0]
        self.device = device
        with execution_whitelist(WHITELIST):
            self.data: DataModule = build_data(self.cfg)
        self.inputs, self.targets = self.data.train.inputs.to(device), self.data.train.targets.to(device)
        self.batch = self.data.batch_size
        self.mean, self.scale = float(self.data.mean), 1 / float(self.data.std)
        net_on_cpu = self.net()
        self.parameters = sum(p.numel() for p in net_on_cpu.parameters())
        self.flops = _flops(net_on_cpu, self.inputs[: self.batch].cpu().float())

    def net(self) -> nn.Module:
        """The network with the run's initial weights, on the CPU."""
        with execution_whitelist(WHITELIST):
            net: nn.Module = build_net(self.cfg, self.data.in_shape, self.data.out_features)
        return net

    def order(self, seed: int = 0) -> Tensor:
        """Whole mini-batches for `STEPS` steps, int64 `[STEPS, batch]`."""
        rows = STEPS * self.batch
        epochs = range(-(-rows // len(self.inputs)))
        order = torch.cat([epoch_order(len(self.inputs), seed, epoch) for epoch in epochs])
        return order[:rows].view(STEPS, self.batch).to(self.device)

    def normalized(self, rows: Tensor) -> Tensor:
        """The inputs of some rows."""
        return self.inputs[rows].float().sub_(self.mean).mul_(self.scale)

    def prepared(self, train: Callable[[], object], steps: int = STEPS) -> Prepared:
        """The way to train, with what a step of it computes."""
        return Prepared(train, steps, self.flops, self.parameters)


def _flops(net: nn.Module, inputs: Tensor) -> float:
    with FlopCounterMode(display=False) as counter:
        net(inputs).sum().backward()
    return float(counter.get_total_flops())
