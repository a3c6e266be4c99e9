"""Everything that knows the private state of Lightning's loops; `runtime.patches` has the tested versions.

Lightning has no public way to save or restore a position within an epoch, nor to count several optimizer
steps of one manual `training_step`. What is used of its loops stands here and nowhere else: another version
is checked by `check`, which the tests call, and by the resume tests, which compare bitwise. Without this
module training works in ordinary Lightning, with `steps_per_execution=1`, but does not resume within epochs.
"""

from __future__ import annotations

from lightning.pytorch import Trainer
from lightning.pytorch.loops.progress import _Progress

from abreast.config.types import State
from abreast.runtime.patches import patch

LoopsState = State  # as Lightning saves it in a checkpoint, under `loops`
FIT_LOOP = {
    "state_dict",
    "epoch_loop.state_dict",
    "epoch_loop.batch_progress",
    "epoch_loop.scheduler_progress",
    "epoch_loop.automatic_optimization.state_dict",
    "epoch_loop.automatic_optimization.optim_progress",
    "epoch_loop.manual_optimization.state_dict",
    "epoch_loop.manual_optimization.optim_step_progress",
    "epoch_loop.val_loop.state_dict",
    "epoch_loop.val_loop.batch_progress",
    "epoch_progress",
}


def check(trainer: Trainer) -> None:
    """Check that the loops have the state that this module reads and writes.

    Raises:
        RuntimeError: The installed version of Lightning keeps another state.
    """
    keys = trainer.fit_loop.state_dict().keys()
    if keys != FIT_LOOP:
        versions = patch("lightning_loops").tested
        assert versions is not None
        raise RuntimeError(
            f"Lightning's fit loop has the state {sorted(keys)}, but lightning {versions[-1]} has "
            f"{sorted(FIT_LOOP)}: install lightning=={versions[-1]}.*"
        )


def step_progress(trainer: Trainer) -> _Progress:
    """The counter of manual optimizer steps, `trainer.global_step` of a manual optimization."""
    return trainer.fit_loop.epoch_loop.manual_optimization.optim_step_progress


def waits_for_step(trainer: Trainer) -> bool:
    """Whether gradients are being accumulated, for an optimizer step that is yet to come."""
    return trainer.fit_loop._should_accumulate()


def loops_state(trainer: Trainer) -> LoopsState:
    """The state of all loops, as a checkpoint holds it under `loops`."""
    return trainer._checkpoint_connector._get_loops_state_dict()


def load_loops(trainer: Trainer, loops: LoopsState) -> None:
    """Let the Trainer's next `fit` continue from the state of the loops in a checkpoint."""
    trainer.fit_loop.load_state_dict(loops["fit_loop"])


def with_steps(loops: LoopsState, steps: int) -> LoopsState:
    """A copy of the state of all loops, for `set_position` to change, with so many manual optimizer steps."""
    fit = dict(loops["fit_loop"])
    key = "epoch_loop.manual_optimization.optim_step_progress"
    counts = {"ready": steps, "completed": steps}
    fit[key] = {"total": counts, "current": dict(counts)}
    return {**loops, "fit_loop": fit}


def set_position(
    loops: LoopsState,
    *,
    epoch: int,
    batches: int,
    calls_per_epoch: int,
    batches_per_call: int,
    optimizer_steps: int | None,
) -> None:
    """Make a checkpoint's `loops` say exactly where the training continues. Changes `loops`.

    Lightning's state depends on the hook in which it was saved, and from some hooks it repeats or skips what
    comes next. The state written here lies between two calls of `training_step`. A block of mini-batches
    that was cut short counts as not begun: the loader then gives the rest of it.

    Args:
        loops: The state of all loops.
        epoch: Epochs that are complete.
        batches: Mini-batches of the next epoch that are done.
        calls_per_epoch: Calls of `training_step` in an epoch.
        batches_per_call: Mini-batches of a call, but for the last one of an epoch.
        optimizer_steps: Optimizer steps done, in an automatic optimization; None in a manual one.
    """
    calls, begun = batches // batches_per_call, epoch + (batches > 0)
    total = epoch * calls_per_epoch + calls
    fit = loops["fit_loop"]
    epochs = {"ready": begun, "completed": epoch, "started": begun, "processed": epoch}
    fit["epoch_progress"] = {"total": dict(epochs), "current": dict(epochs)}
    fit["epoch_loop.batch_progress"] = {"total": _all(total), "current": _all(calls), "is_last_batch": False}
    fit["epoch_loop.val_loop.batch_progress"] = {"total": _all(0), "current": _all(0), "is_last_batch": False}
    none = {"ready": 0, "completed": 0}
    fit["epoch_loop.scheduler_progress"] = {"total": none, "current": dict(none)}  # nothing reads it
    steps = total if optimizer_steps is None else optimizer_steps
    fit["epoch_loop.state_dict"] = {"_batches_that_stepped": steps}
    fit["state_dict"] = {"combined_loader": [{"batches_done": batches}]}


def _all(count: int) -> dict[str, int]:
    return dict.fromkeys(("ready", "completed", "started", "processed"), count)
