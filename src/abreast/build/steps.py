"""Whether mini-batches are trained in blocks, and how."""

from __future__ import annotations

import logging
from typing import Any

import hydra.utils
from lightning.pytorch import Callback, Trainer
from lightning.pytorch import callbacks as lightning_callbacks

from abreast.callbacks import Progress, RunWriter, TestImages
from abreast.config.run_config import entries
from abreast.config.types import Config
from abreast.learner.block_step import StepConfig

log = logging.getLogger(__name__)

BATCH_HOOKS = (
    "on_train_batch_start",
    "on_train_batch_end",
    "on_before_zero_grad",
    "on_before_backward",
    "on_after_backward",
    "on_before_optimizer_step",
)
# The callbacks that see the same in blocks as in single steps, with the arguments for which they do not. All
# others may act on single mini-batches, on the optimizer, or on how gradients become steps: `supports_blocks`
# is how a custom one says that it does not.
BLOCK_CALLBACKS: dict[type, tuple[str, ...]] = {
    Progress: (),
    TestImages: (),
    RunWriter: (),
    Callback: (),
    lightning_callbacks.Checkpoint: (),
    lightning_callbacks.EarlyStopping: (),
    lightning_callbacks.ModelCheckpoint: ("every_n_train_steps", "train_time_interval", "save_on_exception"),
    lightning_callbacks.ModelSummary: (),
    lightning_callbacks.RichModelSummary: (),
}
# Why others that Lightning ships do not, where no hook for mini-batches says it.
REASONS: dict[type, str] = {
    lightning_callbacks.GradientAccumulationScheduler: "changes how many mini-batches a step accumulates",
    lightning_callbacks.ModelPruning: "replaces the network's parameters",
    lightning_callbacks.StochasticWeightAveraging: "replaces the learning rate's schedule",
}
# The Trainer's arguments that mean the same in blocks, with the values for which they do; None: any value.
BLOCK_TRAINER: dict[str, tuple[object, ...] | None] = {
    "_target_": None,  # compared as a class
    "max_epochs": None,
    "min_epochs": None,
    "max_steps": None,
    "max_time": (None,),
    "accelerator": None,
    "devices": None,
    "num_nodes": None,
    "strategy": ("auto", "ddp"),
    "precision": (None, 32, "32", "32-true", 64, "64", "64-true", "bf16", "bf16-mixed", "bf16-true"),
    "gradient_clip_val": None,
    "gradient_clip_algorithm": None,
    "accumulate_grad_batches": None,
    "check_val_every_n_epoch": None,
    "val_check_interval": (None, 1.0),  # 1 is every mini-batch
    "limit_train_batches": None,
    "limit_val_batches": None,
    "limit_test_batches": None,
    "overfit_batches": (0, 0.0),
    "fast_dev_run": (False,),
    "log_every_n_steps": None,
    "deterministic": None,
    "benchmark": None,
    "inference_mode": None,
    "detect_anomaly": None,
    "profiler": (None,),
}


def build_step_config(cfg: Config) -> tuple[StepConfig | None, int]:
    """How mini-batches become steps. What a block cannot do is logged with its reason, and left to Lightning.

    Returns:
        The block's configuration and its number of mini-batches; None and 1 for ordinary Lightning.
    """
    trainer = cfg["trainer"]
    accumulate = trainer.get("accumulate_grad_batches", 1)
    steps = cfg["steps_per_execution"]
    if steps == 1:
        return None, 1
    reason = why_no_blocks(cfg)
    if reason is not None:
        log.info("steps_per_execution is 1 for this run: %s", reason)
        return None, 1
    steps = max(1, steps // accumulate) * accumulate
    algorithm = trainer.get("gradient_clip_algorithm") or "norm"
    return StepConfig(accumulate, trainer.get("gradient_clip_val"), algorithm), steps


def why_no_blocks(cfg: Config) -> str | None:
    """Why the run's mini-batches cannot be trained in blocks with the same result; None if they can."""
    trainer = cfg["trainer"]
    if hydra.utils.get_object(trainer["_target_"]) is not Trainer:
        return f"{trainer['_target_']} is not Lightning's Trainer"
    for key, value in trainer.items():
        if key not in BLOCK_TRAINER:
            return f"trainer.{key} may count single mini-batches"
        allowed = BLOCK_TRAINER[key]
        if allowed is not None and (type(value), value) not in [(type(item), item) for item in allowed]:
            return _why_not(key, value)
    for name, node in entries(cfg, "callbacks").items():
        reason = _why_not_callback(node)
        if reason is not None:
            return f"callbacks.{name} ({node['_target_']}) {reason}"
    return None


def _why_not(key: str, value: object) -> str:
    if key == "precision":
        return f"trainer.precision={value} needs Lightning's own step, as float16 needs its loss scaling"
    if key == "strategy":
        return f"trainer.strategy={value} takes its optimizer steps in its own way"
    if key == "max_time":
        return f"trainer.max_time={value} may end within a block"
    return f"trainer.{key}={value} counts single mini-batches"


def _why_not_callback(node: Config) -> str | None:
    kind: Any = hydra.utils.get_object(node["_target_"])
    if getattr(kind, "supports_blocks", False) is True:
        return None
    if isinstance(kind, type) and kind in BLOCK_CALLBACKS:
        if "_args_" in node:
            return "has arguments without names (_args_)"
        within = [key for key in BLOCK_CALLBACKS[kind] if node.get(key)]
        return f"acts within an epoch ({within[0]}={node[within[0]]})" if within else None
    if not isinstance(kind, type) or not issubclass(kind, Callback):
        return "is made by a function, which may return any callback"
    hooks = [hook for hook in BATCH_HOOKS if getattr(kind, hook) is not getattr(Callback, hook)]
    if hooks:
        return f"has a hook for single mini-batches ({', '.join(hooks)})"
    for parent in kind.__mro__:
        if parent in REASONS:
            return REASONS[parent]
    return "may act on single steps; if it does not, let its class say supports_blocks = True"
