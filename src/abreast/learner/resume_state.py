"""Where a training stands, beyond what Lightning's checkpoint holds: enough to go on to the bit.

Lightning saves weights, optimizers, schedules and callbacks. Added are the place within the epoch, what was
measured since it began, and the state of the random streams, of every rank.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from abreast.metrics.stage import Sample

if TYPE_CHECKING:
    from abreast.learner.module import Learner

State = dict[str, Any]


@runtime_checkable
class Resumable(Protocol):
    """A training loader that can begin within an epoch: `batches` an epoch, `steps` of them to a block."""

    batches: int
    steps: int

    def __len__(self) -> int: ...
    def load_state_dict(self, state: dict[str, Any]) -> None: ...


def random_state() -> State:
    """The state of Python's, numpy's and torch's global generators, as tensors and plain values."""
    return {
        "python": random.getstate(),
        "numpy": _plain(np.random.get_state()),
        "torch": torch.random.get_rng_state(),
        "cuda": torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
    }


def fresh_state(seed: int, stream: torch.Generator) -> State:
    """The state of a run of its own that nothing but torch has drawn from, and torch from `stream`."""
    return {
        "python": random.Random(seed).getstate(),
        "numpy": _plain(np.random.RandomState(seed % 2**32).get_state()),
        "torch": stream.get_state(),
        "cuda": None,
    }


def _plain(state: Any) -> list[Any]:
    name, key, place, has_gauss, cached = state
    return [str(name), torch.from_numpy(np.asarray(key).astype(np.int64)), place, has_gauss, cached]


def set_random_state(state: State) -> None:
    """Let the global generators go on from a state that `random_state` gave."""
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words), gauss))
    name, key, *rest = state["numpy"]
    np.random.set_state((name, key.numpy().astype(np.uint32), *rest))
    torch.random.set_rng_state(state["torch"].cpu())
    if state["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"].cpu())


def position(learner: Learner) -> State:
    """Where the learner's training stands. All ranks call it together."""
    trainer = learner.trainer
    epoch, batches = trainer.current_epoch, learner.batches_done
    if batches == cast(Resumable, trainer.train_dataloader).batches:
        epoch, batches = epoch + 1, 0
    own: State = {"random": getattr(trainer, "random_state", random_state)()}  # a lane has its own
    if batches:
        own["epoch"] = epoch_state(learner, learner.losses, learner.train_meter.state())
    return {
        "epoch": epoch,
        "batches": batches,
        "should_stop": trainer.should_stop,
        "ranks": _of_all_ranks(own),
    }


def _of_all_ranks(own: State) -> list[State]:
    if not (dist.is_available() and dist.is_initialized()):
        return [own]
    found: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(found, own)
    return found


def settle(loops: State, stands: State, learner: Learner) -> None:
    """Make the state of Lightning's loops say the same place, in a form that it resumes from exactly.

    `loops` is changed. Lightning's own state depends on the hook that it was saved in, and from some of them
    it repeats or leaves out what comes next; this one stands between two blocks of mini-batches. A block
    that was cut short counts as not begun: the loader gives the rest of it.
    """
    loader = learner.trainer.train_dataloader
    assert isinstance(loader, Resumable)
    epoch, batches = stands["epoch"], stands["batches"]
    blocks, begun = batches // loader.steps, epoch + (batches > 0)
    total = epoch * len(loader) + blocks
    fit = loops["fit_loop"]
    epochs = {"ready": begun, "completed": epoch, "started": begun, "processed": epoch}
    fit["epoch_progress"] = {"total": dict(epochs), "current": dict(epochs)}
    fit["epoch_loop.batch_progress"] = {
        "total": _all(total),
        "current": _all(blocks),
        "is_last_batch": False,
    }
    fit["epoch_loop.val_loop.batch_progress"] = {"total": _all(0), "current": _all(0), "is_last_batch": False}
    none = {"ready": 0, "completed": 0}
    fit["epoch_loop.scheduler_progress"] = {"total": none, "current": dict(none)}  # nothing reads it
    stepped = learner.trainer.global_step if learner.automatic_optimization else total
    fit["epoch_loop.state_dict"] = {"_batches_that_stepped": stepped}
    fit["state_dict"] = {"combined_loader": [{"batches_done": batches}]}


def _all(count: int) -> dict[str, int]:
    return dict.fromkeys(("ready", "completed", "started", "processed"), count)


def take_up(learner: Learner, stands: State) -> None:
    """Let the learner go on from a position; its loader and loops are Lightning's to set."""
    trainer = learner.trainer
    trainer.should_stop = stands["should_stop"]
    learner.batches_done = stands["batches"]
    ranks = stands["ranks"]
    own = ranks[min(trainer.global_rank, len(ranks) - 1)]
    if "epoch" in own:
        take_epoch_state(learner, to_device(own["epoch"], learner.device))
    set_random_state(own["random"])


def epoch_state(learner: Learner, losses: Sequence[Tensor], meter: State) -> State:
    """What has come of the epoch so far: the mini-batches' losses, the meter's state, the samples."""
    return {
        "first_step": learner.first_step,
        "losses": list(losses),
        "samples": [[each.step, each.lr, each.loss, each.grad_norm] for each in learner.samples],
        "meter": meter,
    }


def take_epoch_state(learner: Learner, state: State) -> None:
    """Let the learner go on within an epoch."""
    learner.first_step = state["first_step"]
    learner.losses = list(state["losses"])
    learner.samples = [Sample(*each) for each in state["samples"]]
    learner.train_meter.load_state(state["meter"])


def to_device(value: Any, device: torch.device) -> Any:
    """The same nest of lists and dicts with its tensors on the device."""
    if isinstance(value, Tensor):
        return value.to(device)
    if isinstance(value, dict):
        return {key: to_device(each, device) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_device(each, device) for each in value]
    return value
