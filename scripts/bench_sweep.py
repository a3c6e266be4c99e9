"""How much faster a sweep is as a stack: the same runs in several ways, side by side.

    python scripts/bench_sweep.py                        # all nets, K = 1, 8, 32, 128: hours
    python scripts/bench_sweep.py --nets digits mnist --lanes 32
    python scripts/bench_sweep.py --quick --json bench.json
    python scripts/bench_sweep.py --end-to-end --help    # whole commands instead, see bench_end_to_end.py

The ways take turns, so that a machine that slows down does so for all of them. Times are seconds a run, from
the config to result.json, medians with the lowest and highest; ratios are medians of those within a turn.
Imports and Hydra's composing are not counted. The ways that take runs one by one take a few a turn. Real
MNIST is read from the folder in ABREAST_DATA; without it, random data of its shape.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from joblib import Parallel

import bench_sweep_arms as arms
from bench_common import machine, print_targets, ratio
from bench_sweep_steps import steps

EPOCHS = {"digits": 20, "mnist": 2, "batch_norm": 2, "wide": 1}
STACK, OPTED = "stack", "stack, opt-ins"
PLAIN, TWO, IDIOMATIC = "plain", "two processes", "idiomatic Lightning"

# (net, lanes, way, to which way, at least): what the stack is held to on two cores.
TARGETS: tuple[tuple[str, int, str, str, float], ...] = (
    ("mnist", 32, IDIOMATIC, STACK, 5.5),
    ("mnist", 32, TWO, STACK, 1.5),
    ("mnist", 32, IDIOMATIC, OPTED, 8.0),
    ("mnist", 32, TWO, OPTED, 2.3),
    ("digits", 32, IDIOMATIC, STACK, 40.0),
    ("digits", 32, PLAIN, STACK, 8.0),
)
TRAINER = 1.05  # at most: an epoch in the Trainer, to the same epoch in a bare loop
PRODUCTS = 1.4  # at most: a lane-step of batch_norm, to its matrix products alone


def sweeps(
    net: str, lanes: int, *, epochs: int, turns: int, few: int, threads: int, opt_ins: bool
) -> dict[str, Any]:
    """All ways of one sweep, by turns; those that take runs one by one take `few` of them."""
    sweep = arms.configs(net, lanes, epochs)
    some, pairs = (sweep * few)[:few], (sweep * 2 * few)[: 2 * max(1, few // 2)]
    seconds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as name, Parallel(n_jobs=2) as processes:
        folder = Path(name)
        ways: dict[str, Callable[[], float]] = {
            STACK: lambda: arms.stacked(sweep, folder),
            PLAIN: lambda: arms.plain(some, folder),
            TWO: lambda: arms.two_processes(pairs, folder, processes),
            IDIOMATIC: lambda: arms.idiomatic(some, folder),
        }
        if opt_ins:
            ways[OPTED] = lambda: arms.opted_in(sweep, folder)
        short = arms.configs(net, 2, 1)
        arms.two_processes(short * 2, folder / "warm", processes)  # starts the processes
        for way in (arms.stacked, arms.plain, arms.idiomatic):  # what is done once in a process
            way(short, folder / way.__name__)
        for turn in range(turns):
            for label, action in ways.items():
                shutil.rmtree(folder)
                folder.mkdir()
                torch.set_num_threads(threads)
                seconds.setdefault(label, []).append(action())
                print(
                    f"  {net} K={lanes} turn {turn + 1}: {label} {seconds[label][-1]:.3f} s a run",
                    file=sys.stderr,
                )
    return {"net": net, "lanes": lanes, "epochs": epochs, "seconds": seconds}


def report_sweep(sweep: dict[str, Any]) -> None:
    """Print one sweep, and add its ratios."""
    seconds = sweep["seconds"]
    print(f"\n{sweep['net']}, {sweep['lanes']} lanes, {sweep['epochs']} epochs: seconds a run")
    sweep["ratios"] = {}
    for way, times in seconds.items():
        ratios = {to: ratio(times, seconds[to]) for to in (STACK, OPTED) if to in seconds and to != way}
        sweep["ratios"][way] = ratios
        spread = f"({min(times):.4f} to {max(times):.4f})"
        times_as_long = ", ".join(
            f"{spread['median']:.2f} ({spread['low']:.2f} to {spread['high']:.2f}) of the {to}"
            for to, spread in ratios.items()
        )
        print(f"  {way:20s} {statistics.median(times):8.4f} {spread:22s} {times_as_long}")


def report_steps(timing: dict[str, Any]) -> None:
    """Print where one stack's lane-step goes, and add the ratios."""
    timing["trainer / loop"] = ratio(timing["trainer"], timing["loop"])
    timing["loop / products"] = ratio(timing["loop"], timing["products"])
    rates = [timing["flops"] / seconds for seconds in timing["loop"]]
    timing["share of peak"] = ratio(rates, timing["peak"])
    values = [timing[name]["median"] for name in ("loop / products", "share of peak", "trainer / loop")]
    print(
        f"  {timing['net']:10s} K={timing['lanes']:<4d} {statistics.median(timing['loop']) * 1e6:8.1f} us, "
        f"{values[0]:5.2f} of its products alone, {values[1]:4.0%} of the peak; "
        f"in the Trainer {values[2]:5.3f} of that"
    )


def judge(measured: list[dict[str, Any]], stepped: list[dict[str, Any]]) -> dict[str, bool]:
    """Which of the targets that were measured are met."""
    met: dict[str, bool] = {}
    for net, lanes, way, to, least in TARGETS:
        for sweep in measured:
            if (sweep["net"], sweep["lanes"]) == (net, lanes) and to in sweep["ratios"][way]:
                value = sweep["ratios"][way][to]["median"]
                met[f"{net} K={lanes}: {way} / {to} is {value:.2f}, at least {least}"] = value >= least
    for timing in stepped:
        name = f"{timing['net']} K={timing['lanes']}"
        if timing["net"] == "batch_norm" and timing["lanes"] >= 8:
            value = timing["loop / products"]["median"]
            met[f"{name}: lane-step / products is {value:.2f}, at most {PRODUCTS}"] = value <= PRODUCTS
        value = timing["trainer / loop"]["median"]
        met[f"{name}: Trainer / loop is {value:.3f}, at most {TRAINER}"] = value <= TRAINER
    return met


def main() -> int:
    """Measure, print, and say which targets are met."""
    if "--end-to-end" in sys.argv:
        from bench_end_to_end import main as end_to_end

        return end_to_end([argument for argument in sys.argv[1:] if argument != "--end-to-end"])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--nets", nargs="+", choices=arms.NETS, default=list(arms.NETS))
    parser.add_argument("--lanes", nargs="+", type=int, default=[1, 8, 32, 128])
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--runs", type=int, default=2, help="that the one-by-one ways take a turn")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="of one process's runs")
    parser.add_argument("--opt-ins", action="store_true", help="also bf16 products with shared batches")
    parser.add_argument("--steps-only", action="store_true", help="only where a step's time goes")
    parser.add_argument("--quick", action="store_true", help="digits, 8 lanes, short: under a minute")
    parser.add_argument("--json", type=Path, metavar="FILE")
    chosen = parser.parse_args()
    nets, counts, turns = chosen.nets, chosen.lanes, chosen.turns
    if chosen.quick:
        nets, counts, turns = ["digits"], [8], 2
    cells = [(net, lanes) for net in nets for lanes in counts]
    measured: list[dict[str, Any]] = []
    stepped: list[dict[str, Any]] = []
    for net, lanes in [] if chosen.steps_only else cells:
        with Path(os.devnull).open("w") as nothing, contextlib.redirect_stdout(nothing):
            sweep = sweeps(
                net,
                lanes,
                epochs=5 if chosen.quick else EPOCHS[net],
                turns=turns,
                few=chosen.runs,
                threads=chosen.threads,
                opt_ins=chosen.opt_ins,
            )
        report_sweep(sweep)
        measured.append(sweep)
    print("\nA lane-step on one thread")
    for net, lanes in cells:
        timing = steps(net, lanes, 5 if chosen.quick else max(5, 2 * turns))
        report_steps(timing)
        stepped.append(timing)
    met = judge(measured, stepped)
    print_targets(met)
    if chosen.json:
        figures = {
            "machine": machine(),
            "targets": {
                **{f"{net} K={k}: {way} / {to}": least for net, k, way, to, least in TARGETS},
                "Trainer / loop": TRAINER,
                "batch_norm: lane-step / products": PRODUCTS,
            },
            "sweeps": measured,
            "lane_steps": stepped,
            "met": met,
            "targets_met": all(met.values()),
        }
        chosen.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
