"""What oneDNN's products and bf16 copies save in a lane-step, by turns: CPU time on one thread.

    python scripts/bench_products.py --nets mnist batch_norm --lanes 16

Ways: torch's products alone; those that the stack chooses (the default, bitwise the same); shared batches;
and these with `matmul_precision=bf16`. Medians, with the lowest and highest ratio to the first way of a turn.
Real MNIST is read from the folder in ABREAST_DATA; without it, random data of its shape.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from hydra.utils import execution_whitelist

import bench_sweep_arms as arms
from abreast.runtime.matmul_precision import MatmulPrecision, matmul_precision
from abreast.runtime.process import prepare_process
from abreast.stacking import products
from abreast.stacking.build import stack_trainer
from abreast.stacking.loader import StackBlock
from bench_common import WHITELIST, built_stack, ratio

STEPS = 40  # of a turn
# Whether torch's products alone are taken, whether batches are shared, and the products' precision.
WAYS: dict[str, tuple[bool, bool, MatmulPrecision | None]] = {
    "torch's products": (True, False, None),
    "the stack": (False, False, None),
    "shared batches": (False, True, None),
    "shared, bf16": (False, True, "bf16"),
}


class Lanes:
    """A stack whose steps are taken without the Trainer."""

    def __init__(self, net: str, lanes: int, folder: Path, *, shared: bool) -> None:
        sweep = arms.configs(net, lanes, 1)
        self.lanes = lanes
        self.stack = built_stack(sweep, folder, shared_batches=shared)
        self.chunks = self.stack.chunks
        self.stack.attach(stack_trainer(sweep[0]))
        self.blocks = self._blocks()

    def _blocks(self) -> Iterator[StackBlock]:
        while True:
            yield from self.stack.train_dataloader()

    def seconds(self) -> float:
        """CPU time of a lane-step."""
        block = next(block for block in self.blocks if len(block) >= STEPS).first(STEPS)
        began = time.process_time()
        for chunk in self.chunks:
            chunk.train(block, ends_epoch=False)
        spent = time.process_time() - began
        for chunk in self.chunks:
            chunk.losses.clear()
        return spent / STEPS / self.lanes


@contextmanager
def torchs_products() -> Iterator[None]:
    """Let no product be large enough for oneDNN."""
    before, products.LARGE = products.LARGE, 1 << 60
    try:
        yield
    finally:
        products.LARGE = before


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--nets", nargs="+", choices=arms.NETS, default=["mnist", "batch_norm", "digits"])
    parser.add_argument("--lanes", type=int, default=16)
    parser.add_argument("--turns", type=int, default=7)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    prepare_process()
    for net in chosen.nets:
        seconds: dict[str, list[float]] = {way: [] for way in WAYS}
        with execution_whitelist(WHITELIST), tempfile.TemporaryDirectory() as name:
            stacks = {
                way: Lanes(net, chosen.lanes, Path(name) / way, shared=shared)
                for way, (_, shared, _) in WAYS.items()
            }
            for turn in range(-1, chosen.turns):  # the first one is left out
                for way, (torchs, _, precision) in WAYS.items():
                    with matmul_precision(precision):
                        if torchs:
                            with torchs_products():
                                spent = stacks[way].seconds()
                        else:
                            spent = stacks[way].seconds()
                    if turn >= 0:
                        seconds[way].append(spent)
        print(f"{net}, {chosen.lanes} lanes")
        for way, times in seconds.items():
            share = ratio(times, seconds["torch's products"])
            print(
                f"  {way:18s} {statistics.median(times) * 1e6:8.1f} us a lane-step, "
                f"{share['median']:.2f} ({share['low']:.2f} to {share['high']:.2f})"
            )


if __name__ == "__main__":
    main()
