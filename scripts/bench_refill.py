"""Runs that end at different times: lanes that are filled again against stacks one after the other.

Trains a sweep on digits both ways in turns, in this process, with early stopping or (`--together`) without
it, and prints for each the CPU seconds and the utilisation: the share of the lane-steps that were taken for
runs that still trained. Both must leave the same metrics.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from abreast.runtime import fast_import  # noqa: F401  # isort: skip  first: it makes Lightning's import lean
from hydra.utils import execution_whitelist

from abreast.runs.directory import RunDirectory
from abreast.stacking.build import Job
from abreast.stacking.chunk import Chunk
from abreast.stacking.grouping import plan, split
from abreast.stacking.options import Options
from abreast.stacking.run import train_stack
from bench_common import WHITELIST
from bench_sweep_arms import configs

EARLY = ("callbacks=early_stopping", "callbacks.early_stopping.patience=3", "monitor=val/loss")


class LaneSteps:
    """Counts lane-steps: all that were taken, and those of lanes that still trained."""

    def __init__(self) -> None:
        self.taken = 0
        self.useful = 0

    @contextmanager
    def counted(self) -> Any:
        """Count what is trained inside."""
        train = Chunk.train

        def counting(chunk: Chunk, block: Any, *, ends_epoch: bool) -> None:
            self.taken += len(block) * len(chunk.lanes)
            self.useful += len(block) * sum(lane.running for lane in chunk.lanes)
            train(chunk, block, ends_epoch=ends_epoch)

        Chunk.train = counting  # type: ignore[assignment, method-assign]
        try:
            yield
        finally:
            Chunk.train = train  # type: ignore[method-assign]


def trained(
    sweep: Sequence[dict[str, Any]], lanes: int, folder: Path, *, refill: bool
) -> tuple[float, float]:
    """Train the sweep; CPU seconds and utilisation."""
    steps = LaneSteps()
    jobs = [Job(config, folder / str(number)) for number, config in enumerate(sweep)]
    (order,) = plan(sweep, len(sweep)).stacks
    parts = [order] if refill else split(order, lanes)
    began = time.process_time()
    with steps.counted(), execution_whitelist(WHITELIST):
        for part in parts:
            for outcome in train_stack(
                [jobs[number] for number in part], Options(max_lanes=lanes, processes=1)
            ):
                assert outcome.value is not None, outcome
    return time.process_time() - began, steps.useful / steps.taken


def main() -> None:
    """Compare both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=128, help="runs of the sweep")
    parser.add_argument("--lanes", type=int, default=16, help="runs that are trained at a time")
    parser.add_argument("--epochs", type=int, default=60, help="the most epochs of a run")
    parser.add_argument("--turns", type=int, default=3, help="measurements of each")
    parser.add_argument("--net", default="digits", help="a network of bench_sweep_arms.py")
    parser.add_argument(
        "--together", action="store_true", help="without early stopping: all runs end at once"
    )
    arguments = parser.parse_args()
    early = () if arguments.together else EARLY
    sweep = configs(arguments.net, arguments.runs, arguments.epochs, *early)
    found: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
    for _ in range(arguments.turns):
        with tempfile.TemporaryDirectory() as folder:
            metrics = []
            for refill in (False, True):
                place = Path(folder) / str(refill)
                found[refill].append(trained(sweep, arguments.lanes, place, refill=refill))
                runs = [RunDirectory(place / str(number)) for number in range(len(sweep))]
                metrics.append(json.dumps([run.read_result()["metrics"] for run in runs]))
                epochs = [len(run.read_metrics()) for run in runs]
            assert metrics[0] == metrics[1], "both must leave the same metrics"
    print(f"{len(sweep)} runs of {min(epochs)} to {max(epochs)} epochs, {arguments.lanes} lanes")
    seconds = {}
    for refill, name in ((False, "one stack after the other"), (True, "lanes filled again")):
        seconds[refill] = statistics.median(cpu for cpu, _ in found[refill])
        print(f"{name:26} {seconds[refill]:7.2f} s CPU  {found[refill][0][1]:6.1%} of lane-steps useful")
    print(f"ratio {seconds[True] / seconds[False]:.3f}")


if __name__ == "__main__":
    main()
