"""How fast one run is: side by side with hand-written loops and with idiomatic Lightning.

    python scripts/bench_run.py --data DIR [--quick] [--json FILE]

All arms train the same network from the same weights on the same batches of MNIST with Adam, and compute
the accuracy of both splits each epoch. They take turns in one process, with one thread and with two; the
figures are seconds an epoch after the first, and ratios within a turn, so a slow moment hits all arms alike.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import bench_arms as arms
from bench_common import machine, ratio
from bench_parts import memory_above, startup_ratios

NETS: dict[str, dict[str, Any]] = {
    "784-256-10": {"hidden": [256], "norm": None},
    "784-64-128-64-10 batch norm": {"hidden": [64, 128, 64], "norm": "batch"},
}
ARMS: dict[str, Callable[[arms.Task], float]] = {
    "a": arms.by_hand,
    "b": arms.as_tutorials,
    "c": arms.ours,
    "c-": arms.ours_bare,
    "d": arms.idiomatic,
}
NAMES = {
    "a": "hand loop, fused Adam, index_select",
    "b": "hand loop as tutorials write it",
    "c": "abreast, everything on",
    "c-": "abreast, no logger, no bar",
    "d": "idiomatic Lightning",
}
TARGETS = {  # ratio: at most, for the median over the turns, for each net and number of threads
    "c/a": 1.10,
    "c-/a": 1.03,
    "c/b": 0.85,
    "c/d": 0.45,
}
STARTUP_TARGETS = {"first step": 1.4}  # to a torch-only script's first step
QUICK_BATCHES = 60  # of 422 an epoch
MEMORY_TARGET = 60.0  # MiB above torch, lightning and the data as stored


def measure(
    data: str, turns: int, epochs: int, threads: list[int], batches: int | None
) -> list[dict[str, Any]]:
    """Every arm `turns` times for each net and number of threads, in turn."""
    cells = []
    for number in threads:
        torch.set_num_threads(number)
        for name, net in NETS.items():
            seconds: dict[str, list[float]] = {arm: [] for arm in ARMS}
            for turn in range(turns + 1):
                for arm, run in ARMS.items():
                    with tempfile.TemporaryDirectory() as folder:
                        took = run(arms.Task(data, net, epochs, Path(folder), batches))
                    if turn > 0:  # the first warms everything up
                        seconds[arm].append(took)
            pairs = {pair: ratio(*(seconds[arm] for arm in pair.split("/"))) for pair in TARGETS}
            cells.append({"net": name, "threads": number, "seconds": seconds, "ratios": pairs})
            report(cells[-1])
    return cells


def report(cell: dict[str, Any]) -> None:
    """Print one net at one number of threads."""
    print(f"\n{cell['net']}, {cell['threads']} thread{'s' if cell['threads'] > 1 else ''}")
    for arm, took in cell["seconds"].items():
        spread = f"{min(took):.3f} to {max(took):.3f}"
        print(f"  {arm:<3} {NAMES[arm]:<38} {statistics.median(took):.3f} s/epoch ({spread})")
    for pair, ratios in cell["ratios"].items():
        met = "met" if ratios["median"] <= TARGETS[pair] else "NOT met"
        spread = f"{ratios['low']:.2f} to {ratios['high']:.2f}"
        print(f"  {pair:<5} {ratios['median']:.3f} ({spread}), target {TARGETS[pair]}: {met}", flush=True)


def main() -> int:
    """Measure, print, and say which targets are met."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="data", help="where MNIST is (default: data)")
    parser.add_argument(
        "--quick", action="store_true", help="under a minute: a turn of short epochs, one thread"
    )
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--epochs", type=int, default=3, help="epochs a turn; the first is not counted")
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    if args.quick:
        cells = measure(args.data, 1, 2, [1], QUICK_BATCHES)
        startup = startup_ratios(args.data, 1, warm=False)
    else:
        cells = measure(args.data, args.turns, args.epochs, [1, 2], None)
        startup = startup_ratios(args.data, 5)
    memory = memory_above(args.data)
    print("\nstart-up, ratio of medians to `import torch`")
    for name, timing in startup.items():
        print(f"  {name:<40} {timing['ratio']:.2f} ({timing['low']:.2f} to {timing['high']:.2f} s)")
    first = startup["abreast, first step"]["ratio"] / startup["torch only, first step"]["ratio"]
    print(f"  first step, abreast to torch only: {first:.2f}, target {STARTUP_TARGETS['first step']}")
    print(f"\nmemory above torch, lightning and the data: {memory:.0f} MiB, target {MEMORY_TARGET:.0f}")
    met = {
        f"{pair}, {cell['net']}, {cell['threads']} threads": cell["ratios"][pair]["median"] <= target
        for cell in cells
        for pair, target in TARGETS.items()
    }
    met["first step"] = first <= STARTUP_TARGETS["first step"]
    met["memory"] = memory <= MEMORY_TARGET
    print(f"\n{sum(met.values())} of {len(met)} targets met")
    if args.json:
        figures = {
            "machine": machine(),
            "targets": {**TARGETS, "first step": STARTUP_TARGETS["first step"], "memory MiB": MEMORY_TARGET},
            "cells": cells,
            "startup": {**startup, "first step to torch only": first},
            "memory_mib": memory,
            "met": met,
            "targets_met": all(met.values()),
        }
        args.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
