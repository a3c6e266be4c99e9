"""Lightning's callbacks that a run cannot have, and why. No torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

# By class name. What is derived from a finder changes what it finds, too.
FINDERS = {
    "BatchSizeFinder": (
        "trains with another batch size than data.batch_size says, so the run could not be resumed or "
        "compared; sweep it: -m data.batch_size=32,64,128"
    ),
    "LearningRateFinder": (
        "trains with another learning rate than optim.lr says, so the run could not be resumed or compared; "
        "sweep it: -m optim.lr=1e-4,1e-3,1e-2"
    ),
}
DERIVE = "is there to be derived from; name a class that is"
UNSUPPORTED = {
    **FINDERS,
    "BackboneFinetuning": (
        "unfreezes `backbone` of the LightningModule, which is abreast's here and has none; derive a class "
        "from BaseFinetuning that freezes parts of pl_module.net"
    ),
    "OnExceptionCheckpoint": (
        "lets every new run continue from what it once saved in its dirpath; leave it out: a run saves "
        "last.ckpt itself, and resume=RUN_DIR continues it"
    ),
    "BaseFinetuning": DERIVE,
    "BasePredictionWriter": DERIVE,
    "ProgressBar": DERIVE,
}


def why_unsupported(target: str, parents: Sequence[str] = ()) -> str | None:
    """Why a callback cannot be part of a run; None if it can.

    Args:
        target: The full name of its class.
        parents: The full names of the classes that it is derived from.
    """
    reason = UNSUPPORTED.get(_name(target))
    if reason is not None:
        return f"{_name(target)} {reason}"
    return next((f"{_name(kind)} {FINDERS[_name(kind)]}" for kind in parents if _name(kind) in FINDERS), None)


def unsupported_callbacks(nodes: Mapping[str, Any]) -> Iterator[str]:
    """A message for each callback of a configuration that cannot be part of a run."""
    for key, node in nodes.items():
        target = node.get("_target_") if isinstance(node, Mapping) else None
        reason = why_unsupported(target) if isinstance(target, str) else None
        if reason is not None:
            yield f"callbacks.{key}: {reason}"


def _name(target: str) -> str:
    """The class's name; empty for a class that is not Lightning's."""
    return target.rpartition(".")[2] if target.startswith(("lightning.", "pytorch_lightning.")) else ""
