"""Train a stack of runs, and leave each one's run directory behind."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from abreast.data.datamodule import DataModule
from abreast.errors import DivergedError
from abreast.hyperparameters import log_hyperparameters
from abreast.precision import matmul_precision
from abreast.results import RunDirectory
from abreast.stacking.building import (
    Job,
    NotStackableError,
    Outcome,
    build_lanes,
    lanes_in,
    stack_trainer,
)
from abreast.stacking.chunk import Chunk
from abreast.stacking.grouping import split
from abreast.stacking.lanes import Lane
from abreast.stacking.module import Stack
from abreast.stacking.table import Table
from abreast.stacking.vmapped import Vmapped
from abreast.training import load_chosen, objective, result_of, worst

log = logging.getLogger(__name__)

CACHE = 26 << 20  # bytes of weights, gradients and two moments that stay in the cache of common CPUs
HEAVY = 20e6  # multiplications of a lane's step from which a second thread pays


@dataclass(frozen=True)
class Options:
    """How stacks are trained; see `hydra/launcher=abreast`."""

    threads: int | None = None
    chunk_lanes: int | None = None
    save_every: float = 30.0
    memory_gib: float | None = None


def train_stack(jobs: Sequence[Job], options: Options | None = None) -> list[Outcome]:
    """Train the jobs as one stack. Their outcomes, in order.

    Every job must be fit for one stack (`abreast.stacking.grouping.plan`). One whose config turns out bad
    fails alone, before the others train. Raises what stops the stack as a whole.
    """
    options = options or Options()
    if options.memory_gib is not None:
        most = lanes_in(options.memory_gib, jobs[0].cfg)
        if most < len(jobs):
            parts = split(list(jobs), most)
            whole = replace(options, memory_gib=None)
            return [outcome for part in parts for outcome in train_stack(part, whole)]
    outcomes = [Outcome() for _ in jobs]
    began = time.perf_counter()
    directories = [RunDirectory(job.directory) for job in jobs]
    for job, directory in zip(jobs, directories, strict=True):
        directory.write_config(job.cfg)
        directory.write_status("running")
    try:
        with _one_thread(), matmul_precision(jobs[0].cfg.get("matmul_precision")):
            lanes, data = build_lanes(jobs, directories, outcomes)
            if lanes:
                _train(lanes, data, jobs, options, began)
    except NotStackableError as reason:
        return [outcome if outcome.error else Outcome(left=str(reason)) for outcome in outcomes]
    except BaseException as error:
        stopped = isinstance(error, KeyboardInterrupt)
        for directory in directories:
            if directory.read_status()["status"] == "running":
                if stopped:
                    directory.write_status("interrupted", reason="interrupted from the keyboard")
                else:
                    directory.write_failure(error)
        raise
    for lane in lanes:
        outcome = outcomes[_place(jobs, lane)]
        if lane.error is not None:
            outcome.error = lane.error
            if isinstance(lane.error, DivergedError):
                outcome.value = worst(lane.cfg)
        else:
            outcome.value = objective(lane.cfg, lane.directory.read_result()["metrics"])
    return outcomes


def _place(jobs: Sequence[Job], lane: Lane) -> int:
    return next(n for n, job in enumerate(jobs) if job.directory == lane.directory.path)


def _train(lanes: list[Lane], data: DataModule, jobs: Sequence[Job], options: Options, began: float) -> None:
    cfg = lanes[0].cfg
    trainer = stack_trainer(cfg, data)
    for lane in lanes:
        lane.learner.to(trainer.strategy.root_device)
    size, threads = _layout(lanes, data, options)
    chunks = [Chunk(lanes[first : first + size], first) for first in range(0, len(lanes), size)]
    _probe(chunks[0], data, trainer.strategy.root_device)
    table = Table({str(job.directory): job.title for job in jobs})
    with _pool(threads) as workers:
        stack = Stack(chunks, data, save_every=options.save_every, workers=workers, table=table)
        stack.attach(trainer)
        try:
            trainer.fit(stack)
        except SystemExit:  # Lightning's own end after Ctrl-C
            if trainer.interrupted:
                raise KeyboardInterrupt from None
            raise
        finally:
            table.close()
            stack.flush()
        files = {
            lane: load_chosen(lane.cfg, lane.directory, lane.learner)
            for lane in lanes
            if lane.state == "stopped"
        }
        if files:
            trainer.test(stack, verbose=False)
    seconds = round((time.perf_counter() - began) / len(lanes), 3)
    for lane, file in files.items():
        if lane.state == "stopped":
            lane.guarded(_finish, lane, data, file, seconds)


def _probe(chunk: Chunk, data: DataModule, device: torch.device) -> None:
    """See whether the networks can be batched at all, before anything is trained."""
    if not isinstance(chunk.net, Vmapped):
        return
    rows = data.train.inputs[: data.batch_size].to(device)
    try:
        chunk.net.probe(chunk.normalize(rows.expand(len(chunk.lanes), *rows.shape)))
    except Exception as error:
        name = type(chunk.net.base).__name__
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise NotStackableError(f"{name} cannot be batched ({reason})") from error


def _finish(lane: Lane, data: DataModule, file: Path, seconds: float) -> None:
    result = result_of(lane.cfg, lane.directory, data, lane.learner, file)
    result["seconds"] = seconds
    lane.directory.write_result(result)
    log_hyperparameters(lane.trainer, lane.cfg, result)  # type: ignore[arg-type]
    lane.directory.write_status("finished")


def _layout(lanes: Sequence[Lane], data: DataModule, options: Options) -> tuple[int, int]:
    """Lanes to a chunk, and threads."""
    size = sum(p.numel() for p in lanes[0].learner.net.parameters())
    threads = options.threads
    if threads is None:
        heavy = size * data.batch_size * 3 > HEAVY
        threads = max(1, len(_cores())) if heavy else 1
    most = options.chunk_lanes or max(1, CACHE // (16 * size))
    parts = math.ceil(len(lanes) / most)
    parts = min(len(lanes), math.ceil(parts / threads) * threads)  # every thread as many
    return math.ceil(len(lanes) / parts), threads


def _cores() -> Sequence[int]:
    import os

    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)


@contextmanager
def _pool(threads: int) -> Iterator[Executor | None]:
    if threads == 1:
        yield None
        return

    def begin() -> None:
        torch.set_num_threads(1)
        torch.set_flush_denormal(True)

    with ThreadPoolExecutor(threads, initializer=begin) as workers:
        yield workers


@contextmanager
def _one_thread() -> Iterator[None]:
    """One intra-op thread: lanes are the parallelism, and sums then round as a single-threaded run's."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
