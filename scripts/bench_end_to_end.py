"""What a person waits for: whole sweeps, from the command to its end, as processes side by side.

`bench_sweep.py --end-to-end` runs this: runs on digits (64-256-10, ten epochs, TensorBoard on) as one
multirun of this checkout, of another one (`--against DIR`), and one by one in a process of plain Lightning.
The ways take turns. Seconds are of the wall clock and of the CPU (all threads and child processes); on a busy
machine the ratios of CPU time are the ones to believe (`--cpu`).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench_common import machine, print_targets
from bench_phases import ONCE, TRAINING
from bench_plain_lightning import EPOCHS, HIDDEN, RATES

ROOT = Path(__file__).resolve().parents[1]
THIS, OTHER, PLAIN = "this checkout", "the other checkout", "plain Lightning"
FASTER = {200: 30.0}  # by number of runs: plain Lightning / this, at least
SHARE = {200: 0.33, 1000: 0.27}  # this / the other checkout, at most
OUTSIDE_MS = 30.0  # CPU of a run outside its training steps, at most


def overrides(runs: int, folder: Path) -> list[str]:
    """The multirun: ten learning rates by as many seeds as it takes."""
    rates = RATES[: min(runs, len(RATES))]
    return [
        "-m",
        "loss=cross_entropy",
        "optim=adam",
        f"model.hidden=[{HIDDEN}]",
        f"trainer.max_epochs={EPOCHS}",
        f"optim.lr={','.join(map(str, rates))}",
        f"seed=range({max(1, runs // len(rates))})",
        f"hydra.sweep.dir={folder}",
    ]


def timed(command: list[str], checkout: Path = ROOT) -> dict[str, float]:
    """Seconds of the command, by wall clock and CPU."""
    paths = [str(checkout / "src"), str(checkout), str(Path(__file__).parent)]
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    variables.pop("PYTHONDONTWRITEBYTECODE", None)  # else imports compile everything again
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=checkout,
        env=variables,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}:\n{errors}")
    return {"wall": time.perf_counter() - began, "cpu": usage.ru_utime + usage.ru_stime}


def measure(runs: int, turns: int, plain_runs: int, other: Path | None, folder: Path) -> dict[str, Any]:
    """The ways in turns: their seconds by way; plain Lightning's for as many runs, from a few."""
    seconds: dict[str, list[dict[str, float]]] = {way: [] for way in (THIS, PLAIN, OTHER)}
    if other is None:
        del seconds[OTHER]
    for turn in range(turns):
        shutil.rmtree(folder, ignore_errors=True)
        sweep = overrides(runs, folder / "this")
        seconds[THIS].append(timed(["train.py", *sweep]))
        if other is not None:
            sweep = overrides(runs, folder / "other")
            seconds[OTHER].append(timed(["train.py", *sweep], other))
        script = str(ROOT / "scripts" / "bench_plain_lightning.py")
        few = timed([script, str(plain_runs), str(folder / "plain")])
        none = timed([script, "0", str(folder / "plain")])  # imports, which many runs need once too
        scaled = {key: none[key] + (few[key] - none[key]) / plain_runs * runs for key in few}
        seconds[PLAIN].append(scaled)
        for way, times in seconds.items():
            print(
                f"  turn {turn + 1}: {way} {times[-1]['wall']:.1f} s ({times[-1]['cpu']:.1f} s of CPU)",
                file=sys.stderr,
            )
    return {"runs": runs, "seconds": seconds}


def breakdown(runs: int, folder: Path) -> dict[str, Any]:
    """Milliseconds of CPU a run by phase, and what of it is outside the training."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    file = folder / "phases.json"
    script = str(ROOT / "scripts" / "bench_phases.py")
    timed([script, str(file), *overrides(runs, folder / "profiled"), "hydra.launcher.workers=1"])
    read = json.loads(file.read_text())
    a_run = {name: seconds / runs * 1000 for name, seconds in read["phases"].items()}
    outside = sum(value for name, value in a_run.items() if name != TRAINING and name not in ONCE)
    return {"ms": a_run, "outside": outside, "peak_mib": read["peak_mib"]}


def ratio(measured: dict[str, Any], over: str, under: str, clock: str) -> float:
    """The median of one way's seconds to another's, within a turn."""
    pairs = zip(measured["seconds"][over], measured["seconds"][under], strict=True)
    return float(statistics.median(a[clock] / b[clock] for a, b in pairs))


def report(measured: dict[str, Any], clock: str) -> dict[str, bool]:
    """Print the figures; which targets are met."""
    runs, seconds = measured["runs"], measured["seconds"]
    print(f"\n{runs} runs on digits, whole processes: seconds (of CPU)")
    for way, times in seconds.items():
        values = [statistics.median(time[key] for time in times) for key in ("wall", "cpu")]
        print(
            f"  {way:20s} {values[0]:8.1f} ({values[1]:.1f})   {values[1] / runs * 1000:8.1f} ms of CPU a run"
        )
    met: dict[str, bool] = {}
    if runs in FASTER:
        value = ratio(measured, PLAIN, THIS, clock)
        met[f"{runs} runs: {PLAIN} / this is {value:.1f}, at least {FASTER[runs]:g}"] = value >= FASTER[runs]
    if runs in SHARE and OTHER in seconds:
        value = ratio(measured, THIS, OTHER, clock)
        met[f"{runs} runs: this / {OTHER} is {value:.2f}, at most {SHARE[runs]}"] = value <= SHARE[runs]
    print(f"\nCPU of one of {runs} runs, sampled: ms")
    for name, value in measured["breakdown"]["ms"].items():
        print(f"  {value:8.2f}  {name}{' (once)' if name in ONCE else ''}")
    outside = measured["breakdown"]["outside"]
    met[f"a run outside its training: {outside:.1f} ms, at most {OUTSIDE_MS:g}"] = outside <= OUTSIDE_MS
    print(f"  peak memory of the process: {measured['breakdown']['peak_mib']:.0f} MiB")
    return met


def main(arguments: list[str]) -> int:
    """Measure, print, and say which targets are met."""
    parser = argparse.ArgumentParser(
        prog="bench_sweep.py --end-to-end", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--runs", nargs="+", type=int, default=[20, 200])
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--plain-runs", type=int, default=5, help="that plain Lightning takes a turn")
    parser.add_argument("--against", type=Path, metavar="DIR", help="another checkout, to compare with")
    parser.add_argument("--cpu", action="store_true", help="judge by CPU time, for a busy machine")
    parser.add_argument("--json", type=Path, metavar="FILE")
    chosen = parser.parse_args(arguments)
    met: dict[str, bool] = {}
    sweeps = []
    with tempfile.TemporaryDirectory() as name:
        for runs in chosen.runs:
            other = None if chosen.against is None else chosen.against.resolve()
            measured = measure(runs, chosen.turns, chosen.plain_runs, other, Path(name))
            measured["breakdown"] = breakdown(runs, Path(name))
            met |= report(measured, "cpu" if chosen.cpu else "wall")
            sweeps.append(measured)
    print_targets(met)
    if chosen.json:
        figures = {"machine": machine(), "sweeps": sweeps, "met": met}
        chosen.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 0
