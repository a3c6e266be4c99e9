"""How much less a sweep of convolutional and residual networks costs as a stack than run by run.

    python scripts/bench_networks.py                             # all networks: about an hour
    python scripts/bench_networks.py --nets digits_cnn --lanes 4 32 --json bench.json

Both ways take turns on one thread, and take the same runs. Times are CPU seconds (user and system) of a run,
from its configuration to its result; ratios are those within a turn: median, lowest and highest. Imports and
Hydra's composing are not counted. MNIST is read from the folder in ABREAST_DATA.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

import bench_sweep_arms as arms
from bench_common import ratio

QUICK = ("model=cnn", "model.channels=[8,16]", "model.kernels=3", "model.hidden=[64]")
SHORT = (  # of 54,000 training examples a fraction, and of the others as small a one
    "trainer.limit_train_batches=100",
    "trainer.limit_val_batches=1",
    "trainer.limit_test_batches=1",
    "data.eval_batch_size=200",
)
NETS: dict[str, tuple[str, ...]] = {
    "digits_cnn": ("data=digits", *QUICK),
    "digits_cnn_norm": ("data=digits", *QUICK, "model.norm=batch"),
    "digits_2c2d": ("data=digits", "model=cnn"),
    "digits_resnet": ("data=digits", "model=resnet", "model.widths=[8,16]"),
    "digits_residual_mlp": ("data=digits", "model.hidden=[64,64,64]", "model.residual=true"),
    "mnist_cnn": (*QUICK, *SHORT),
    "mnist_2c2d": ("model=cnn", *SHORT),
    "mnist_resnet": ("model=resnet", *SHORT),
}


def cpu_seconds(way: Callable[[], float]) -> float:
    """CPU seconds of the process."""
    began = time.process_time()
    way()
    return time.process_time() - began


def compare(net: str, lanes: int, batch: int, turns: int, few: int, epochs: int) -> dict[str, Any]:
    """A sweep both ways, by turns; `few` of its runs are trained individually in each."""
    sweep = arms.configs(net, lanes, epochs, f"data.batch_size={batch}")
    some = sweep[:few]
    seconds: dict[str, list[float]] = {"stacked": [], "individual": []}
    with tempfile.TemporaryDirectory() as name:
        for way in (arms.stacked, arms.plain):  # what is done once in a process
            way(sweep[:2], Path(name) / f"warm-{way.__name__}")
        for turn in range(turns):
            folder = Path(name) / str(turn)
            seconds["individual"].append(cpu_seconds(partial(arms.plain, some, folder / "i")) / len(some))
            seconds["stacked"].append(cpu_seconds(partial(arms.stacked, sweep, folder / "s")) / lanes)
    ratios = ratio(seconds["individual"], seconds["stacked"])
    return {"net": net, "lanes": lanes, "batch": batch, "ratios": ratios, **seconds}


def main() -> None:
    """Print a line for each network, number of lanes and batch size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--nets", nargs="+", choices=NETS, default=[*NETS])
    parser.add_argument("--lanes", nargs="+", type=int, default=[4, 32])
    parser.add_argument("--batches", nargs="+", type=int, default=[32, 128])
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--few", type=int, default=3, help="runs trained individually a turn")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--json", type=Path, help="write all numbers to this file")
    options = parser.parse_args()
    if "ABREAST_DATA" not in os.environ and any(net.startswith("mnist") for net in options.nets):
        parser.error("set ABREAST_DATA to a folder with the MNIST files, or choose --nets of digits")
    torch.set_num_threads(1)
    arms.NETS.update(NETS)
    print(
        f"torch {torch.__version__}, {platform.processor() or platform.machine()}, one thread",
        file=sys.stderr,
    )
    print("CPU seconds a run: individually, in the stack; how many times less (lowest to highest)")
    rows = []
    for net in options.nets:
        for batch in options.batches:
            for lanes in options.lanes:
                row = compare(net, lanes, batch, options.turns, min(options.few, lanes), options.epochs)
                rows.append(row)
                alone, together, ratios = (row[key] for key in ("individual", "stacked", "ratios"))
                print(
                    f"{net:20} K={lanes:<3} batch {batch:<4}"
                    f"{statistics.median(alone):8.3f} {statistics.median(together):8.3f}"
                    f"   {ratios['median']:5.2f} ({ratios['low']:.2f} to {ratios['high']:.2f})",
                    flush=True,
                )
                if options.json:
                    options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
