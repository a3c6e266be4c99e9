"""Train a stack of runs, and leave each one's run directory behind."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import torch
from lightning.pytorch import Callback, Trainer

from abreast.callbacks.preemption import WITHIN
from abreast.data.datamodule import DataModule
from abreast.errors import DivergedError, disk_error
from abreast.learner.lightning_loops import load_loops
from abreast.metrics.objective import objective, worst
from abreast.runs.directory import RunDirectory
from abreast.runtime.garbage import existing_objects_frozen
from abreast.runtime.matmul_precision import matmul_precision
from abreast.stacking.build import (
    Job,
    NotStackableError,
    Outcome,
    build_lanes,
    lanes_in,
    stack_trainer,
)
from abreast.stacking.chunk import Chunk
from abreast.stacking.compaction import chunked
from abreast.stacking.grouping import split
from abreast.stacking.lane import Lane
from abreast.stacking.layout import layout, one_thread, side_by_side, workers
from abreast.stacking.module import Stack
from abreast.stacking.progress import Table
from abreast.stacking.resume import StackPreemptionCheckpoint, are_over, load, loops
from abreast.stacking.test_module import StackTest
from abreast.stacking.vmap import VmappedNet
from abreast.training.finish import ChosenWeights
from abreast.training.finish import finish as finish_run
from abreast.training.fit import ctrl_c_raised

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Options:
    """How stacks are trained; see `hydra/launcher=abreast`."""

    threads: int | None = None
    chunk_lanes: int | None = None
    save_every: float = 30.0
    memory_gib: float | None = None
    shared_batches: bool = False


def train_stack(
    jobs: Sequence[Job], options: Options | None = None, callbacks: Sequence[Callback] = ()
) -> list[Outcome]:
    """Train the jobs as one stack. Their outcomes, in order.

    `callbacks` watch the stack itself; with `lane.trainer.should_stop` they end a lane after its epoch.

    Every job must be fit for one stack (`abreast.stacking.grouping.plan`). One whose config turns out bad
    fails alone, before the others train. Raises what stops the stack as a whole.
    """
    options = options or Options()
    if options.memory_gib is not None:
        most = lanes_in(options.memory_gib, jobs[0].cfg)
        if most < len(jobs):
            parts = split(list(jobs), most)
            whole = replace(options, memory_gib=None)
            return [outcome for part in parts for outcome in train_stack(part, whole, callbacks)]
    with existing_objects_frozen():
        return _outcomes(jobs, options, callbacks)


def _outcomes(jobs: Sequence[Job], options: Options, callbacks: Sequence[Callback]) -> list[Outcome]:
    outcomes = [Outcome() for _ in jobs]
    began = time.perf_counter()
    directories = [RunDirectory(job.directory) for job in jobs]
    side_by_side(_begin, list(zip(directories, jobs, outcomes, strict=True)))
    try:
        with one_thread(), matmul_precision(jobs[0].cfg.get("matmul_precision")):
            lanes, data = build_lanes(jobs, directories, outcomes)
            if lanes:
                _train(lanes, data, jobs, options, began, callbacks)
    except NotStackableError as reason:
        return [outcome if outcome.error else Outcome(left=str(reason)) for outcome in outcomes]
    except BaseException as error:
        for directory in directories:
            directory.note_failure(error)
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


def _train(
    lanes: list[Lane],
    data: DataModule,
    jobs: Sequence[Job],
    options: Options,
    began: float,
    callbacks: Sequence[Callback],
) -> None:
    cfg = lanes[0].cfg
    trainer = stack_trainer(
        cfg, data, [*callbacks, StackPreemptionCheckpoint(max(WITHIN, options.save_every))]
    )
    for lane in lanes:
        lane.learner.to(trainer.strategy.root_device)
    weights = sum(p.numel() for p in lanes[0].learner.net.parameters())
    shares = options.shared_batches
    plan = layout(weights, data.batch_size, options.threads, options.chunk_lanes, shares=shares)
    if shares:  # those of one seed are to be neighbours
        lanes = sorted(lanes, key=lambda lane: int(lane.cfg["seed"]))
    chunks = chunked(lanes, plan, load(lanes))
    place = loops(lanes)
    if place is not None:
        load_loops(trainer, place)
    _probe(chunks[0], data, trainer.strategy.root_device)
    table = Table({str(job.directory): job.title for job in jobs})
    with workers(plan.threads) as pool:
        stack = Stack(chunks, data, plan, save_every=options.save_every, workers=pool, table=table)
        stack.attach(trainer)
        try:
            if are_over(lanes):
                stack.end()
            else:
                with ctrl_c_raised(trainer):
                    trainer.fit(stack)
        finally:
            table.close()
            stack.flush()
        chosen = {lane: lane.load_chosen() for lane in lanes if lane.state == "stopped"}
        if chosen and cfg.get("test", True):
            trainer.test(StackTest([*chosen], data, plan.threads, pool), verbose=False)
    seconds = round((time.perf_counter() - began) / len(lanes), 3)

    def finish(lane: Lane) -> None:
        lane.guarded(_finish, lane, data, chosen[lane], seconds)

    side_by_side(finish, [lane for lane in chosen if lane.state == "stopped"])


def _begin(begun: tuple[RunDirectory, Job, Outcome]) -> None:
    directory, job, outcome = begun
    try:
        directory.write_config(job.cfg)
        directory.write_status("running")
    except OSError as error:
        outcome.error = disk_error(error, directory.path) or error


def _probe(chunk: Chunk, data: DataModule, device: torch.device) -> None:
    """See whether the networks can be batched at all, before anything is trained."""
    if not isinstance(chunk.net, VmappedNet):
        return
    name = type(chunk.net.base).__name__
    rows = data.train.inputs[: data.batch_size].to(device)
    try:
        chunk.net.probe(chunk.normalize(rows.expand(len(chunk.lanes), *rows.shape)))
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise NotStackableError(f"{name} cannot be batched ({reason})") from error
    log.info(
        "%s is batched by torch.func.vmap, equal to individual training within rounding: %s",
        name,
        chunk.why_vmap,
    )


def _finish(lane: Lane, data: DataModule, chosen: ChosenWeights, seconds: float) -> None:
    trainer = cast(Trainer, lane.trainer)
    finish_run(trainer, lane.learner, data, lane.directory, lane.cfg, chosen, seconds=seconds)
    lane.directory.write_status("finished")
