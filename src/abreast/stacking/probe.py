"""A short training in a temporary folder, to know what the whole one takes; nothing of it is left."""

from __future__ import annotations

import logging
import math
import shutil
import tempfile
import time
import warnings
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import replace
from io import StringIO
from itertools import pairwise
from pathlib import Path

from abreast.build.data import build_data
from abreast.build.permissions import Permissions, permitted
from abreast.config.run_config import entries
from abreast.config.targets import own_targets
from abreast.config.types import Config
from abreast.errors import DataError, first_line
from abreast.runs.directory import RunDirectory
from abreast.runs.files import METRICS
from abreast.stacking.build import Job, lanes_that_fit
from abreast.stacking.cost import Cost
from abreast.stacking.grouping import EARLY_STOPPING, LANE_CALLBACKS, LANE_LOGGERS, lane_key
from abreast.stacking.options import Options
from abreast.stacking.run import train_stack
from abreast.training.ranks import ranks_to_start
from abreast.training.run import run

SECONDS = 3.0  # of training in a probe, about
LANES = 32  # that a probe trains at most
WARM_UP_LANES, WARM_UP_EPOCHS, WARM_UP_BATCHES = 4, 2, 2
EPOCHS = 3  # the first of them is not counted
LARGER_STACK = 0.6  # of a lane's cost in a small stack, in one several times as large


class ProbeError(Exception):
    """Nothing could be measured; the message says why."""


def probe_stack(configs: Sequence[Config], options: Options, at_a_time: int | None = None) -> Cost:
    """Measure a stack of runs of these configs.

    Args:
        configs: The configs.
        options: How the stack is trained.
        at_a_time: How many of the runs are trained at a time; None for all.

    Raises:
        ProbeError: Nothing could be measured, or no run can be stacked.
    """
    at_a_time = at_a_time or len(configs)
    sample = _sample(configs, min(LANES, at_a_time))
    with _quiet(configs) as folder:
        batches = _batches(sample[0])

        def train(lanes: Sequence[Config], epochs: int, limit: int, name: str) -> dict[Path, str]:
            jobs = [
                Job(_shortened(config, epochs, limit, batches), folder / name / str(number))
                for number, config in enumerate(lanes)
            ]
            individual = {}
            outcomes = train_stack(jobs, replace(options, memory_gib=None, processes=1))
            for job, outcome in zip(jobs, outcomes, strict=True):
                if outcome.not_stacked is not None:
                    individual[job.directory] = outcome.not_stacked
                elif outcome.error is not None:
                    raise ProbeError(str(outcome.error))
            return individual

        warm = folder / "warm"
        train(sample[:WARM_UP_LANES], WARM_UP_EPOCHS, WARM_UP_BATCHES, warm.name)
        stacked = sorted(path.parent for path in warm.glob(f"*/{METRICS}"))
        limit = _limit(stacked[0], len(sample), batches) if stacked else WARM_UP_BATCHES
        began = time.perf_counter()
        individual = train(sample, EPOCHS, limit, "probe")
        seconds = time.perf_counter() - began
        reasons = {lane_key(sample[int(path.name)]): reason for path, reason in individual.items()}
        lanes = [path for path in sorted((folder / "probe").glob("*")) if path not in individual]
        if not lanes:
            return Cost(0.0, (0.0, 0.0), 0.0, 0.0, 0.0, reasons)
        cost = _cost(sample[0], lanes, seconds, batches, limit)
    low, high = cost.epoch
    if at_a_time > 2 * len(sample):
        low *= LARGER_STACK
    return replace(cost, epoch=(low, high), individual=reasons)


def probe_run(config: Config) -> Cost:
    """Measure a run that is trained individually.

    Raises:
        ProbeError: Nothing could be measured.
    """
    if ranks_to_start(config) > 1:
        raise ProbeError("it is trained by several processes")
    with _quiet([config]) as folder:
        batches = _batches(config)
        run(_shortened(config, WARM_UP_EPOCHS, WARM_UP_BATCHES, batches), folder / "warm" / "0")
        limit = _limit(folder / "warm" / "0", 1, batches)
        began = time.perf_counter()
        run(_shortened(config, EPOCHS, limit, batches), folder / "probe" / "0")
        seconds = time.perf_counter() - began
        return _cost(config, [folder / "probe" / "0"], seconds, batches, limit)


def lanes_in_memory(memory_gib: float, config: Config) -> int:
    """How many lanes fit into memory.

    Raises:
        ProbeError: The data or the network cannot be built.
    """
    with _quiet([config]):
        return lanes_that_fit(memory_gib, config)


@contextmanager
def _quiet(configs: Sequence[Config]) -> Iterator[Path]:
    """A temporary folder, and nothing printed, downloaded or left there; what goes wrong is a ProbeError."""
    targets = {name for config in configs for name in own_targets(config)}
    folder = Path(tempfile.mkdtemp(prefix="abreast-plan-"))
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with (
            permitted(Permissions(tuple(sorted(targets)), downloads=False, modules=None)),
            redirect_stdout(StringIO()),
            redirect_stderr(StringIO()),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            yield folder
    except ProbeError:
        raise
    except DataError as error:
        raise ProbeError(str(error).partition(". ")[0]) from error
    except Exception as error:
        raise ProbeError(first_line(error)) from error
    finally:
        logging.disable(disabled)
        shutil.rmtree(folder, ignore_errors=True)


def _sample(configs: Sequence[Config], most: int) -> list[Config]:
    """Some of the configs: one of each optimizer and loss first, then evenly."""
    first: dict[tuple[str, str], Config] = {}
    for config in configs:
        first.setdefault(lane_key(config), config)
    chosen = list(first.values())[:most]
    taken = {id(config) for config in chosen}
    others = [config for config in configs if id(config) not in taken]
    missing = min(len(others), most - len(chosen))
    return chosen + [others[number * len(others) // missing] for number in range(missing)]


def _batches(config: Config) -> int:
    """Mini-batches in an epoch of the run."""
    return build_data(config).batches_per_epoch


def _shortened(config: Config, epochs: int, limit: int, batches: int) -> Config:
    """The config with so many epochs of so many mini-batches, and nothing that leaves the run's directory."""
    share = min(1.0, limit / batches)
    trainer = {**config["trainer"], "max_epochs": epochs, "max_steps": -1}
    trainer["limit_train_batches"] = min(limit, batches)
    for stage in ("val", "test"):
        key = f"limit_{stage}_batches"
        part = trainer.get(key)
        if share < 1 and stage == "val" and part != 0:
            part = share if part is None else part * share
            trainer[key] = part if part <= 1 else max(1, round(part))
    return {
        **config,
        "trainer": trainer,
        "compile": False,  # which leaves files behind
        "callbacks": _only(config, "callbacks", {*LANE_CALLBACKS} - {EARLY_STOPPING}),
        "logger": _only(config, "logger", LANE_LOGGERS),
    }


def _only(config: Config, group: str, targets: Collection[str]) -> Config:
    return {name: node for name, node in entries(config, group).items() if node["_target_"] in targets}


def _epoch_seconds(lane: Path) -> list[float]:
    """Seconds of each epoch but the first; of a lane, its share of the stack's."""
    return [
        after["seconds"] - before["seconds"] for before, after in pairwise(RunDirectory(lane).read_metrics())
    ]


def _limit(lane: Path, lanes: int, batches: int) -> int:
    """How many mini-batches of an epoch a probe can train in its time."""
    seconds = max((*_epoch_seconds(lane), 1e-6))
    return max(WARM_UP_BATCHES, min(batches, int(SECONDS * WARM_UP_BATCHES / (EPOCHS * lanes * seconds))))


def _cost(config: Config, lanes: Sequence[Path], seconds: float, batches: int, limit: int) -> Cost:
    epochs = [epoch for lane in lanes for epoch in _epoch_seconds(lane)]
    if not epochs:
        raise ProbeError("it ended before its second epoch")
    trained = sum(RunDirectory(lane).read_metrics()[-1]["seconds"] for lane in lanes)
    sizes = [(path.name, path.stat().st_size) for lane in lanes for path in lane.rglob("*") if path.is_file()]
    growing = sum(size for name, size in sizes if name == METRICS or "tfevents" in name) / len(lanes)
    total = sum(size for _, size in sizes) / len(lanes)
    factor = batches / min(limit, batches)
    return Cost(
        epochs=_length(config, batches),
        epoch=(factor * min(epochs), factor * sum(epochs) / len(epochs)),
        outside=max(0.0, seconds - trained) / len(lanes),
        run_bytes=total - growing,
        epoch_bytes=growing / EPOCHS,
    )


def _length(config: Config, batches: int) -> float:
    """Epochs of a run."""
    trainer = config["trainer"]
    most = [trainer.get("max_epochs"), trainer.get("max_steps")]
    lengths = [math.inf if value is None or value < 0 else float(value) for value in most]
    return min(lengths[0], lengths[1] / batches)
