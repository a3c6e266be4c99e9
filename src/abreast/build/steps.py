"""Whether mini-batches are trained in blocks, and how."""

from __future__ import annotations

import logging

import hydra.utils
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import EarlyStopping, LearningRateMonitor

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
KNOWN_CALLBACKS = (Progress, TestImages, RunWriter, EarlyStopping, LearningRateMonitor)


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
    reason = _why_no_blocks(cfg)
    if reason is not None:
        log.info("steps_per_execution is 1 for this run: %s", reason)
        return None, 1
    steps = max(1, steps // accumulate) * accumulate
    algorithm = trainer.get("gradient_clip_algorithm") or "norm"
    return StepConfig(accumulate, trainer.get("gradient_clip_val"), algorithm), steps


def _why_no_blocks(cfg: Config) -> str | None:
    trainer = cfg["trainer"]
    if str(trainer.get("precision", "")).startswith("16") or trainer.get("precision") == 16:
        return "float16 needs the loss scaling of Lightning's own step"
    for key in ("val_check_interval", "profiler", "overfit_batches", "fast_dev_run"):
        if trainer.get(key) not in (None, 1.0, 0, False):
            return f"trainer.{key} counts single mini-batches"
    if trainer.get("strategy", "auto") not in ("auto", "ddp"):
        return f"trainer.strategy={trainer['strategy']} takes its optimizer steps in its own way"
    for name, node in entries(cfg, "callbacks").items():
        kind = hydra.utils.get_object(node["_target_"])
        if isinstance(kind, type) and issubclass(kind, Callback) and not issubclass(kind, KNOWN_CALLBACKS):
            hooks = [hook for hook in BATCH_HOOKS if getattr(kind, hook) is not getattr(Callback, hook)]
            if hooks:
                return f"callbacks.{name} has a hook for single mini-batches ({', '.join(hooks)})"
    return None
