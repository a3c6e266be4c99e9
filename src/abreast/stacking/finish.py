"""The end of a lane's epochs, and of its training: the chosen weights are measured, the results written."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from abreast.stacking.evaluation import Stage, evaluations
from abreast.stacking.lane import Lane, LaneState
from abreast.stacking.layout import write_each

log = logging.getLogger(__name__)

ANNOUNCED = 32  # runs whose test and results take long enough to be announced

Measure = Callable[[Sequence[Lane], Stage], object]


def end_epoch(lane: Lane) -> None:
    """End a lane's epoch in the order of an individual run, and its training if it is time."""
    lane.call("on_train_epoch_end", monitoring=False)
    lane.learner.on_train_epoch_end()
    with lane.checkpoints.one_moment():
        lane.call("on_train_epoch_end", monitoring=True)
    if lane.trainer.should_stop or lane.epoch + 1 == lane.trainer.max_epochs:
        lane.stop()


def write_checkpoints(lanes: Sequence[Lane]) -> None:
    """Write the checkpoints that lanes keep in memory; one that cannot be written fails its lane alone."""
    kept = [lane for lane in lanes if lane.checkpoints]
    write_each(lambda lane: lane.guarded(lane.checkpoints.flush), kept)


def finish_lanes(lanes: Sequence[Lane], measure: Measure) -> None:
    """Test the weights that the configs of the lanes choose, and write the results.

    Args:
        lanes: Lanes that were trained to their end; those that failed or were dropped have their results.
        measure: Measures the examples of a stage in some lanes.
    """
    write_checkpoints(lanes)
    stopped = [lane for lane in lanes if lane.state == "stopped"]
    if len(stopped) >= ANNOUNCED:
        log.info("Testing %d runs and writing their results", len(stopped))
    chosen = {lane: lane.load_chosen() for lane in stopped}
    unvalidated = [lane for lane, weights in chosen.items() if weights.lack_validation(lane.data)]
    if unvalidated:
        measure(unvalidated, "val")
    if stopped and stopped[0].cfg.get("test", True):
        measure(stopped, "test")

    def finish(lane: Lane) -> None:
        lane.finish(chosen[lane], (time.perf_counter() - lane.began) * lane.share)
        lane.directory.write_status("finished")

    tested = [lane for lane in stopped if lane.state == "stopped"]
    write_each(lambda lane: lane.guarded(finish, lane), tested, "results")


def measure_between_epochs(lanes: Sequence[Lane], stage: Stage, state: LaneState = "stopped") -> None:
    """Measure the examples of a stage in lanes that have ended, while Lightning's Trainer trains others.

    Args:
        lanes: The lanes, whose learners have the weights to measure.
        stage: `val` or `test`.
        state: The state of the lanes.
    """
    for lane in lanes:
        lane.learner.net.eval()
        if stage == "val":
            lane.learner.values = {}
    parts = evaluations(lanes, stage)
    for part in parts:
        part.measure()
        part.record(state)
    for lane in lanes:
        if stage == "test" and lane.state == state:
            lane.guarded(lane.call, "on_test_end")
