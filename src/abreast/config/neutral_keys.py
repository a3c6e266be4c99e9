"""The keys of a configuration that cannot change a run's result. No torch.

They say where files are, what observes the run, and in which portions its steps are executed: weights and
metrics are bitwise identical whatever they hold. `tests/config/test_neutral_keys.py` proves it for each.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from abreast.config.types import Config

# A key stands for everything below it.
NEUTRAL_KEYS: dict[str, str] = {
    "names": "the names of the options that were chosen; their keys are in the configuration",
    "sweep": "what a sweep does after a failed run",
    "logger": "where metrics are logged",
    "steps_per_execution": "how many mini-batches are executed per call of training_step",
    "optim.elementwise": "whether lanes of a stack share the optimizer",
    "data.dir": "where the data files are",
    "data.mirrors": "where the data files are downloaded from",
    "trainer.log_every_n_steps": "how often metrics are logged",
}
# Keys that change no weight either, but enter a run's id: where it is executed, what it shows, whether
# its weights are tested, what else is measured. Runs that differ in them have the same settings.
EXECUTION_KEYS: dict[str, str] = {
    "trainer.enable_progress_bar": "whether Lightning shows a bar of its own",
    "trainer.enable_model_summary": "whether Lightning lists the layers",
    "trainer.accelerator": "which kind of device trains; `execution` in result.json says which one did",
    "cuda_graph": "whether a GPU's steps are recorded; some optimizers round differently then",
    "test": "whether the weights are tested once they are trained",
    "metrics": "what is measured beside the usual metrics; `monitor` may choose by one, and is another key",
}
# Callbacks that only read.
OBSERVERS = frozenset({"abreast.callbacks.Progress", "abreast.callbacks.TestImages"})


def is_neutral(key: str) -> bool:
    """Whether a dotted key, or a key above it, cannot change a result.

    >>> is_neutral("logger.csv.name"), is_neutral("data.batch_size")
    (True, False)
    """
    parts = key.split(".")
    return any(".".join(parts[:end]) in NEUTRAL_KEYS for end in range(1, len(parts) + 1))


def without_neutral(config: Mapping[str, Any], *, execution: bool = True) -> Config:
    """The configuration without the keys, and the callbacks, that cannot change a result.

    Args:
        config: A run's resolved configuration.
        execution: Whether to keep `EXECUTION_KEYS`.
    """
    keys = (*NEUTRAL_KEYS, *([] if execution else EXECUTION_KEYS))
    kept = _without(config, _nested(keys))
    callbacks = config.get("callbacks")
    if isinstance(callbacks, Mapping):
        kept["callbacks"] = {name: node for name, node in callbacks.items() if not is_observer(node)}
    return kept


def is_observer(callback: object) -> bool:
    """Whether a callback's node names a class that only reads."""
    return isinstance(callback, Mapping) and callback.get("_target_") in OBSERVERS


@cache
def _nested(keys: tuple[str, ...]) -> Mapping[str, Any]:
    """Dotted keys as nested dictionaries; None for a key that is left out."""
    tree: dict[str, Any] = {}
    for key in keys:
        *above, last = key.split(".")
        node = tree
        for name in above:
            node = node.setdefault(name, {})
        node[last] = None
    return tree


def _without(node: Mapping[str, Any], left_out: Mapping[str, Any]) -> Config:
    kept: Config = {}
    for name, value in node.items():
        below = left_out.get(name, {})
        if below is not None:
            kept[name] = _without(value, below) if below and isinstance(value, Mapping) else value
    return kept
