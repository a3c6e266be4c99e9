"""The rungs of successive halving: what lanes are compared by there, and the end of those that drop out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from abreast.errors import RunError
from abreast.metrics.objective import ranked_by
from abreast.runs.directory import RunDirectory
from abreast.stacking.finish import measure_between_epochs
from abreast.stacking.lane import Lane
from abreast.stacking.waiting import Reached, WaitingRuns


def cost(lane: Lane) -> float | None:
    """What the lane is compared by, the lower the better: the last value that was measured."""
    name, mode = ranked_by(lane.cfg)
    value = lane.trainer.callback_metrics.get(name)
    if value is None:  # it has just been resumed
        return recorded_cost(lane.directory, name, mode)
    return float(value if mode == "min" else -value)


def recorded_cost(directory: RunDirectory, name: str, mode: str) -> float | None:
    """The cost of a run that is not trained at present, from its rows of metrics.

    Args:
        directory: The run's directory.
        name: The metric.
        mode: Whether it is better if lower (`min`) or higher.

    Returns:
        The cost; None for a run that measured none.
    """
    return _last_cost(directory.read_metrics(), name, mode)


def cost_at_rung(directory: RunDirectory, name: str, mode: str, epoch: int) -> float | None:
    """The cost that a run had at a rung.

    Args:
        directory: The run's directory.
        name: The metric.
        mode: Whether it is better if lower (`min`) or higher.
        epoch: The rung.

    Returns:
        The cost; None for a run that measured none, did not come as far, or ended there by itself.
    """
    try:
        status, rows = directory.read_status()["status"], directory.read_metrics()
    except RunError:  # such as one that failed before its first epoch
        return None
    last = rows[-1]["epoch"] if rows else 0
    if last < epoch or (last == epoch and status in ("finished", "failed")):
        return None
    return _last_cost([row for row in rows if row["epoch"] <= epoch], name, mode)


def _last_cost(rows: Sequence[Mapping[str, float]], name: str, mode: str) -> float | None:
    for row in reversed(rows):
        if name in row:
            return row[name] if mode == "min" else -row[name]
    return None


def drop(lane: Lane, epoch: int, rank: str) -> None:
    """End a lane's training after an epoch, with the results of its epochs, without a test.

    Args:
        lane: The lane.
        epoch: Epochs that it has trained.
        rank: Its rank among the lanes that it was compared with, in words.
    """
    lane.stop()
    lane.state = "dropped"
    lane.checkpoints.flush()
    seconds = lane.directory.read_metrics()[-1]["seconds"]
    chosen = lane.load_chosen()
    if chosen.lack_validation(lane.data):
        measure_between_epochs([lane], "val", state="dropped")
    lane.finish(chosen, seconds, status="dropped")
    reason = f"dropped after epoch {epoch}: {rank} by {ranked_by(lane.cfg)[0]}"
    lane.directory.write_status("dropped", reason=reason, dropped_at=epoch)


def drop_at_rungs(waiting: WaitingRuns, lanes: Sequence[Lane], epochs: int) -> None:
    """Drop lanes that have reached a rung, if those who know of all runs say so; to be called at each epoch.

    Args:
        waiting: Compares them with others.
        lanes: Lanes of the stack that have ended an epoch, or begin.
        epochs: Epochs that the stack has trained.
    """
    reached = {
        lane.directory.path: lane
        for lane in lanes
        if lane.running and lane.epoch in waiting.rungs and not lane.learner.epoch_progress.batches_done
    }
    arrivals = [Reached(path, lane.epoch, cost(lane)) for path, lane in reached.items()]
    for path, rank in waiting.reach(arrivals, epochs).items():
        if path in reached:
            reached[path].guarded(drop, reached[path], reached[path].epoch, rank)
