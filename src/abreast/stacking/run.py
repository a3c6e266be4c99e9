"""Train a stack of runs, and write a run directory for each."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from lightning.pytorch import Callback

from abreast.callbacks.preemption import WITHIN
from abreast.errors import DivergedError, disk_error
from abreast.learner.lightning_loops import load_loops
from abreast.loggers.run_logger import loggers_closed
from abreast.metrics.objective import objective, worst
from abreast.runs.directory import RunDirectory
from abreast.runtime.garbage import existing_objects_frozen
from abreast.runtime.matmul_precision import matmul_precision
from abreast.runtime.threads import one_thread
from abreast.stacking.build import (
    Job,
    NotStackableError,
    Outcome,
    build_lanes,
    lanes_that_fit,
    stack_trainer,
)
from abreast.stacking.chunk import Chunk
from abreast.stacking.compaction import build_chunks
from abreast.stacking.grouping import split
from abreast.stacking.lane import Lane
from abreast.stacking.layout import choose_layout, workers, write_each
from abreast.stacking.module import Stack
from abreast.stacking.network_size import network_size
from abreast.stacking.preemption import StackPreemptionCheckpoint
from abreast.stacking.progress import ProgressTable
from abreast.stacking.resume import is_trained, load_checkpoints, loops_of
from abreast.stacking.shared_batches import batches_key
from abreast.stacking.tester import StackTester
from abreast.stacking.vmap import VmappedNet
from abreast.training.fit import ctrl_c_raised
from abreast.training.record import start_record

log = logging.getLogger(__name__)

ANNOUNCED = 32  # runs whose test and results take long enough to be announced


@dataclass(frozen=True)
class Options:
    """How stacks are trained; see `hydra/launcher=abreast`.

    Attributes:
        threads: Threads that train chunks side by side; None to choose.
        chunk_lanes: The most lanes in a chunk; None to choose.
        save_every: Seconds between two writings of checkpoints, which are kept in memory meanwhile.
        memory_gib: Memory for the lanes' weights and their state in GiB; None for as much as they need.
        shared_batches: Whether lanes of one seed share their mini-batches.
    """

    threads: int | None = None
    chunk_lanes: int | None = None
    save_every: float = 30.0
    memory_gib: float | None = None
    shared_batches: bool = False


def train_stack(
    jobs: Sequence[Job], options: Options | None = None, callbacks: Sequence[Callback] = ()
) -> list[Outcome]:
    """Train jobs as one stack.

    A job whose config turns out to be invalid fails alone, before the others are trained.

    Args:
        jobs: Jobs that can be lanes of one stack (`abreast.stacking.grouping.plan`).
        options: How to train them.
        callbacks: Watch the stack itself; setting `lane.trainer.should_stop` ends a lane after its epoch.

    Returns:
        How each job ended, in order.

    Raises:
        Exception: What stops the stack as a whole.
    """
    options = options or Options()
    if options.memory_gib is not None:
        max_lanes = lanes_that_fit(options.memory_gib, jobs[0].cfg)
        if max_lanes < len(jobs):
            unlimited = replace(options, memory_gib=None)
            parts = split(list(jobs), max_lanes)
            return [outcome for part in parts for outcome in train_stack(part, unlimited, callbacks)]
    with existing_objects_frozen():
        return _outcomes(jobs, options, callbacks)


def _outcomes(jobs: Sequence[Job], options: Options, callbacks: Sequence[Callback]) -> list[Outcome]:
    outcomes = [Outcome() for _ in jobs]
    began = time.perf_counter()
    directories = [RunDirectory(job.directory) for job in jobs]
    write_each(_write_start, list(zip(directories, jobs, outcomes, strict=True)))
    try:
        with one_thread(), matmul_precision(jobs[0].cfg.get("matmul_precision")):
            lanes = build_lanes(jobs, directories, outcomes)
            if lanes:
                with loggers_closed([logger for lane in lanes for logger in lane.loggers]):
                    _train(lanes, jobs, options, began, callbacks)
    except NotStackableError as reason:
        settled = [outcome.error or outcome.not_stacked for outcome in outcomes]
        return [
            outcome if is_settled else Outcome(not_stacked=str(reason))
            for outcome, is_settled in zip(outcomes, settled, strict=True)
        ]
    except BaseException as error:
        for directory in directories:
            directory.note_failure(error)
        raise
    by_directory = {job.directory: outcome for job, outcome in zip(jobs, outcomes, strict=True)}
    for lane in lanes:
        outcome = by_directory[lane.directory.path]
        if lane.error is not None:
            outcome.error = lane.error
            if isinstance(lane.error, DivergedError):
                outcome.value = worst(lane.cfg)
        else:
            outcome.value = objective(lane.cfg, lane.directory.read_result()["metrics"])
    return outcomes


def _train(
    lanes: list[Lane],
    jobs: Sequence[Job],
    options: Options,
    began: float,
    callbacks: Sequence[Callback],
) -> None:
    cfg = lanes[0].cfg
    preemption = StackPreemptionCheckpoint(max(WITHIN, options.save_every))
    trainer = stack_trainer(cfg, [*callbacks, preemption])
    for lane in lanes:
        lane.learner.to(trainer.strategy.root_device)
    layout = choose_layout(
        network_size(lanes[0].learner.net, lanes[0].learner.net_shape),
        lanes[0].data.batch_size,
        options.threads,
        options.chunk_lanes,
        shared_batches=options.shared_batches,
        on_cpu=trainer.strategy.root_device.type == "cpu",
    )
    if options.shared_batches:  # lanes of one seed and split must be neighbours
        lanes = sorted(lanes, key=batches_key)
    snapshots = load_checkpoints(lanes)
    trained = [lane for lane in lanes if is_trained(lane)]
    untrained = [lane for lane in lanes if not is_trained(lane)]
    chunks = build_chunks(untrained or trained, layout, snapshots)
    for lane in lanes:
        lane.record = start_record(
            trainer,
            lane.cfg,
            lanes=len(lanes),
            shared_batches=options.shared_batches,
            kernels="batched" if chunks[0].why_vmap is None else "vmap",
        )
    loops = loops_of(untrained)
    if loops is not None:
        load_loops(trainer, loops)
    _probe(chunks[0], trainer.strategy.root_device)
    table = ProgressTable({str(job.directory): job.title for job in jobs})
    with workers(layout.threads) as pool:
        stack = Stack(lanes, chunks, layout, save_every=options.save_every, workers=pool, table=table)
        stack.attach(trainer)
        try:
            for lane in trained:
                lane.state = "stopped"
            if untrained:
                with ctrl_c_raised(trainer):
                    trainer.fit(stack)
        finally:
            table.close()
            stack.flush()
        stopped = [lane for lane in lanes if lane.state == "stopped"]
        if len(stopped) >= ANNOUNCED:
            log.info("Testing %d runs and writing their results", len(stopped))
        chosen = {lane: lane.load_chosen() for lane in stopped}
        unvalidated = [lane for lane, weights in chosen.items() if weights.lack_validation(lane.data)]
        if unvalidated:
            with ctrl_c_raised(trainer):
                trainer.validate(StackTester(unvalidated, layout.threads, pool, "val"), verbose=False)
        if chosen and cfg.get("test", True):
            with ctrl_c_raised(trainer):
                trainer.test(StackTester([*chosen], layout.threads, pool), verbose=False)
    seconds = (time.perf_counter() - began) / len(lanes)

    def finish(lane: Lane) -> None:
        lane.finish(chosen[lane], seconds)
        lane.directory.write_status("finished")

    tested = [lane for lane in chosen if lane.state == "stopped"]
    write_each(lambda lane: lane.guarded(finish, lane), tested)


def _write_start(start: tuple[RunDirectory, Job, Outcome]) -> None:
    directory, job, outcome = start
    try:
        directory.write_config(job.cfg)
        directory.write_status("running")
    except OSError as error:
        outcome.error = disk_error(error, directory.path) or error


def _probe(chunk: Chunk, device: torch.device) -> None:
    """Find out whether vmap can batch the networks, before anything is trained."""
    if not isinstance(chunk.net, VmappedNet):
        return
    name = type(chunk.net.base).__name__
    data = chunk.lanes[0].data
    inputs = data.train.between(0, data.batch_size).inputs.to(device)
    try:
        x = chunk.normalize(inputs)
        chunk.net.probe(x.expand(len(chunk.lanes), *x.shape))
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise NotStackableError(f"{name} cannot be batched ({reason})") from error
    log.info(
        "%s is batched by torch.func.vmap, equal to individual training within rounding: %s",
        name,
        chunk.why_vmap,
    )
