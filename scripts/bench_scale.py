"""What a lane-step, a run and a rank cost as there are more of them: time and memory.

    python scripts/bench_scale.py                 # K = 1 to 512, four widths, 1 to 4 ranks (about 20 minutes)
    python scripts/bench_scale.py --quick --json scale.json

Every point is measured in a separate process, on one thread: data of 64 features and 10 classes, batches
of 32, Adam, cross-entropy, one hidden layer. A lane-step is the median over the blocks of the later epochs,
in CPU time, which others on the machine disturb less. Outside the steps is what a run takes to be built,
validated, tested and written: its share of the rest of the wall clock. docs/scale.md works with them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FEATURES, CLASSES, BATCH, ROWS = 64, 10, 32, 1778  # 50 mini-batches of training, the rest is held out
LANES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
WIDTHS = (16, 64, 256, 1024)
AT_WIDTH, AT_LANES = 32, 32
RANKS = (1, 2, 4)
EPOCHS = 4


def config(width: int, epochs: int, logger: str) -> dict[str, Any]:
    """One run's configuration."""
    from bench_common import composed

    return composed(
        *("trainer=cpu", f"logger={logger}", "callbacks=none", "data=random", f"data.size={ROWS}"),
        *("data.test_size=500", f"data.features={FEATURES}", f"data.classes={CLASSES}"),
        *(f"data.batch_size={BATCH}", f"model.hidden=[{width}]", f"trainer.max_epochs={epochs}"),
        "steps_per_execution=10",
    )


def mebibytes() -> float:
    """The most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def point(width: int, lanes: int, logger: str) -> dict[str, float]:
    """One stack, in this process."""
    import torch
    from hydra.utils import execution_whitelist
    from lightning.pytorch import Callback

    from abreast.stacking.build import Job
    from abreast.stacking.options import Options
    from abreast.stacking.run import train_stack
    from bench_common import WHITELIST

    class Clock(Callback):
        """CPU seconds of the blocks of later epochs, and the wall clock's of all of them."""

        def __init__(self) -> None:
            self.cpu: list[float] = []
            self.wall = 0.0
            self._began = (0.0, 0.0)

        def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
            self._began = (time.process_time(), time.perf_counter())

        def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
            self.wall += time.perf_counter() - self._began[1]
            if trainer.current_epoch > 0 and not trainer.is_last_batch:
                self.cpu.append((time.process_time() - self._began[0]) / 10)

    torch.set_num_threads(1)
    base = config(width, EPOCHS, logger)
    clock = Clock()
    with (
        tempfile.TemporaryDirectory() as folder,
        execution_whitelist(WHITELIST),
    ):
        jobs = []
        for lane in range(lanes):
            lane_config = json.loads(json.dumps(base))
            lane_config["seed"], lane_config["optim"]["lr"] = lane % 8, 1e-3 * (1 + lane // 8)
            jobs.append(Job(lane_config, Path(folder) / str(lane)))
        before, began = mebibytes(), time.perf_counter()
        outcomes = train_stack(jobs, Options(threads=1, save_every=1e9), [clock])
        seconds = time.perf_counter() - began
        assert all(outcome.error is None for outcome in outcomes)
        files = [path for path in Path(folder).rglob("*") if path.is_file()]
        return {
            "width": width,
            "lanes": lanes,
            "lane_step_us": 1e6 * statistics.median(clock.cpu) / lanes,
            "outside_ms": 1e3 * (seconds - clock.wall) / lanes,
            "memory_mib": (mebibytes() - before) / lanes,
            "weights_mib": 4 * (FEATURES * width + width + width * CLASSES + CLASSES) / 2**20,
            "files": len(files) / lanes,
            "kib": sum(path.stat().st_size for path in files) / 1024 / lanes,
        }


def ranks(width: int, count: int) -> dict[str, float]:
    """Milliseconds a step of one run over so many processes."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        command = [
            *(
                sys.executable,
                str(ROOT / "train.py"),
                "trainer.accelerator=cpu",
                "logger=none",
                "callbacks=none",
            ),
            *("data=random", f"data.size={ROWS}", "data.test_size=500", f"data.features={FEATURES}"),
            *(f"data.batch_size={BATCH}", f"model.hidden=[{width}]", "trainer.max_epochs=6"),
            *((f"trainer.devices={count}", "trainer.strategy=ddp") if count > 1 else ()),
            f"hydra.run.dir={run}",
        ]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        from abreast.runs.directory import RunDirectory

        rows = RunDirectory(run).read_metrics()
    times = [later["seconds"] - row["seconds"] for row, later in pairwise(rows)]
    return {"width": width, "ranks": count, "step_ms": 1e3 * statistics.median(times) / rows[0]["step"]}


def measured(width: int, lanes: int, logger: str = "none") -> dict[str, Any]:
    """`point` in a separate process."""
    arguments = ["--point", str(width), str(lanes), logger]
    done = subprocess.run(
        [sys.executable, __file__, *arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {**result, "logger": logger}


def show(title: str, rows: list[dict[str, Any]]) -> None:
    """A table."""
    print(f"\n{title}")
    print("  ".join(f"{name:>12}" for name in rows[0]))
    for row in rows:
        print(
            "  ".join(
                f"{value:12.4g}" if isinstance(value, float) else f"{value:>12}" for value in row.values()
            )
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a few small points")
    parser.add_argument("--json", type=Path, help="a file for the numbers")
    parser.add_argument("--point", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.point:
        width, lanes, logger = arguments.point
        print(json.dumps(point(int(width), int(lanes), logger)))
        return
    lanes, widths, counts = (LANES, WIDTHS, RANKS) if not arguments.quick else ((1, 8, 32), (16, 64), (1, 2))
    results: dict[str, Any] = {"machine": platform.processor() or platform.machine(), "cores": os.cpu_count()}
    began = time.perf_counter()
    for _ in range(5):
        config(AT_WIDTH, EPOCHS, "none")
    results["compose_ms"] = 200 * (time.perf_counter() - began)
    print(f"To compose one run's configuration: {results['compose_ms']:.0f} ms")
    results["lanes"] = [measured(AT_WIDTH, count) for count in lanes]
    show(f"Lanes, width {AT_WIDTH}", results["lanes"])
    results["widths"] = [measured(width, AT_LANES) for width in widths]
    show(f"Width, {AT_LANES} lanes", results["widths"])
    results["loggers"] = [measured(AT_WIDTH, AT_LANES, logger) for logger in ("none", "tensorboard")]
    show(f"Loggers, {AT_LANES} lanes, width {AT_WIDTH}", results["loggers"])
    results["ranks"] = [ranks(AT_WIDTH, count) for count in counts]
    show(f"Ranks on this machine's {os.cpu_count()} cores, width {AT_WIDTH}", results["ranks"])
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
