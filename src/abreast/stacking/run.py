"""Train a group of runs as stacks, and write a run directory for each."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import torch
from lightning.pytorch import Callback

from abreast.callbacks.preemption import WITHIN
from abreast.errors import first_line
from abreast.learner.lightning_loops import load_loops
from abreast.loggers.run_logger import loggers_closed
from abreast.runtime.device_assert import device_asserts_told
from abreast.runtime.garbage import existing_objects_frozen
from abreast.runtime.matmul_precision import matmul_precision
from abreast.runtime.signals import stop_deferred
from abreast.runtime.threads import one_thread
from abreast.stacking.build import Job, NotStackableError, Outcome, lanes_that_fit, stack_trainer
from abreast.stacking.chunk import Chunk
from abreast.stacking.compaction import build_chunks
from abreast.stacking.evaluation import Stage
from abreast.stacking.finish import finish_lanes
from abreast.stacking.grouping import largest_part
from abreast.stacking.lane import Lane
from abreast.stacking.layout import Layout, choose_layout, workers
from abreast.stacking.module import Stack
from abreast.stacking.network_size import network_size
from abreast.stacking.options import Options
from abreast.stacking.preemption import StackPreemptionCheckpoint
from abreast.stacking.processes import count_processes, train_in_processes
from abreast.stacking.progress import Progress, ProgressTable
from abreast.stacking.refill import Refill
from abreast.stacking.resume import is_trained, load_checkpoints, loops_of
from abreast.stacking.rungs import drop_at_rungs
from abreast.stacking.supply import LaneSupply
from abreast.stacking.tester import StackTester
from abreast.stacking.vmap import VmappedNet
from abreast.stacking.waiting import WaitingRuns
from abreast.training.fit import ctrl_c_raised
from abreast.training.record import start_record

log = logging.getLogger(__name__)


def train_stack(
    jobs: Sequence[Job],
    options: Options | None = None,
    callbacks: Sequence[Callback] = (),
    waiting: WaitingRuns | None = None,
) -> list[Outcome]:
    """Train jobs as one stack, at most `options.max_lanes` of them at a time.

    When lanes have ended, waiting runs take their places at the end of an epoch. A job whose config turns out
    to be invalid fails alone.

    Args:
        jobs: Jobs that can be lanes of one stack (`abreast.stacking.grouping.plan`).
        options: How to train them.
        callbacks: Watch the stack itself; setting `lane.trainer.should_stop` ends a lane after its epoch.
        waiting: Gives the jobs in their order, and takes note of their ends; None for the given order.

    Returns:
        How each job ended, in order; an empty outcome for a job that `waiting` has withheld.

    Raises:
        Exception: What stops the stack as a whole.
    """
    options = options or Options()
    waiting = waiting or WaitingRuns(jobs)
    width = options.max_lanes or len(jobs)
    if options.memory_gib is not None:
        width = min(width, lanes_that_fit(options.memory_gib, jobs[0].cfg))
    processes = 1
    if not callbacks and not waiting.is_open:  # each of which watches all lanes together
        processes = count_processes(len(jobs), width, options)
    with existing_objects_frozen():  # it collects at its end, without the variables of this call
        return _outcomes(jobs, replace(options, processes=processes), callbacks, waiting, width)


def _outcomes(
    jobs: Sequence[Job],
    options: Options,
    callbacks: Sequence[Callback],
    waiting: WaitingRuns,
    width: int,
) -> list[Outcome]:
    supply = LaneSupply(jobs, waiting, width if waiting.is_open else largest_part(len(jobs), width))
    train = partial(_train_all, options=options, callbacks=callbacks)
    with one_thread(), matmul_precision(jobs[0].cfg.get("matmul_precision")):
        if not train_in_processes(supply, jobs, options.processes or 1, train):
            train(supply, ProgressTable(supply.titles, supply))
    return [supply.outcomes.get(job.directory, Outcome()) for job in jobs]


def _train_all(
    supply: LaneSupply, progress: Progress, options: Options, callbacks: Sequence[Callback]
) -> None:
    """Train all runs of a supply in this process."""
    try:
        with device_asserts_told(), loggers_closed(supply.loggers):
            while len(supply.waiting):
                lanes = supply.first()
                if lanes:
                    _train(lanes, supply, options, callbacks, progress)
    except NotStackableError as reason:
        supply.give_up(reason)
    except BaseException as error:
        supply.note_failure(error)
        raise


def _train(
    lanes: Sequence[Lane],
    supply: LaneSupply,
    options: Options,
    callbacks: Sequence[Callback],
    progress: Progress,
) -> None:
    """Train lanes as a stack, with those that take their places, and finish them."""
    preemption = StackPreemptionCheckpoint(max(WITHIN, options.save_every))
    trainer = stack_trainer(lanes[0].cfg, [*callbacks, preemption])
    device = trainer.strategy.root_device
    for lane in lanes:
        lane.learner.to(device)
    layout = _layout(lanes[0], options, device)
    snapshots = load_checkpoints(lanes)
    trained = [lane for lane in lanes if is_trained(lane)]
    untrained = [lane for lane in lanes if not is_trained(lane)]
    chunks = build_chunks(untrained or trained, layout, snapshots)
    record = partial(
        start_record,
        trainer,
        lanes=len(lanes),
        shared_batches=options.shared_batches,
        kernels="batched" if chunks[0].why_vmap is None else "vmap",
    )
    for lane in lanes:
        lane.record = record(lane.cfg)
    loops = loops_of(untrained)
    if loops is not None:
        load_loops(trainer, loops)
    _probe(chunks[0], device)
    refill = None
    if not callbacks and trainer.max_steps == -1:
        shortest = min(lane.batches for lane in untrained or trained)

        def successors(ended: Sequence[Lane], count: int, epochs: int) -> list[Lane] | None:
            joined = supply.successors(ended, count, epochs, shortest)
            for lane in joined or ():
                lane.learner.to(device)
                lane.record = record(lane.cfg)
            return joined

        every = trainer.check_val_every_n_epoch or 1
        refill = Refill(supply.width, successors, every, at_once=supply.waiting.is_open)
    with workers(layout.threads) as pool:
        stack = Stack(
            lanes,
            chunks,
            layout,
            save_every=options.save_every,
            workers=pool,
            progress=progress,
            refill=refill,
            halve=partial(drop_at_rungs, supply.waiting),
        )
        stack.attach(trainer)
        try:
            for lane in trained:
                lane.state = "stopped"
            if untrained:
                with ctrl_c_raised(trainer):
                    trainer.fit(stack)
        finally:
            progress.close()
            with stop_deferred():
                stack.flush()

        def measure(members: Sequence[Lane], stage: Stage) -> None:
            tester = StackTester(members, layout.threads, pool, stage)
            with ctrl_c_raised(trainer):
                (trainer.validate if stage == "val" else trainer.test)(tester, verbose=False)

        finish_lanes(stack.lanes, measure)
    supply.end(stack.lanes)


def _layout(lane: Lane, options: Options, device: torch.device) -> Layout:
    """The layout for lanes such as this one."""
    return choose_layout(
        network_size(lane.learner.net, lane.learner.net_shape),
        lane.data.batch_size,
        options.threads,
        options.chunk_lanes,
        shared_batches=options.shared_batches,
        on_cpu=device.type == "cpu",
        processes=options.processes or 1,
    )


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
        raise NotStackableError(f"{name} cannot be batched ({first_line(error)})") from error
    log.info(
        "%s is batched by torch.func.vmap, equal to individual training within rounding: %s",
        name,
        chunk.why_vmap,
    )
