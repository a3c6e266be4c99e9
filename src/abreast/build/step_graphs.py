"""Whether a run's steps are recorded as CUDA graphs, and why not."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from torch.optim import Optimizer

from abreast.config.targets import is_custom, targets
from abreast.config.types import Config
from abreast.learner.block_step import StepConfig
from abreast.optim.capturable import why_not_recorded
from abreast.runtime.cuda_graph import CudaGraph, StepGraphs

log = logging.getLogger(__name__)

STEP_PARTS = ("model", "loss", "optim")  # whose code a step calls


def build_step_graphs(cfg: Config, step_config: StepConfig | None, optimizer: Optimizer) -> StepGraphs:
    """The graphs of a run's steps, which it uses on a CUDA device alone.

    Args:
        cfg: The run's configuration.
        step_config: How a block's gradients become steps; None for ordinary Lightning.
        optimizer: The run's optimizer.
    """
    return graphs_unless(why_no_graphs(cfg, step_config) or why_not_recorded(optimizer), cfg)


def graphs_unless(reason: str | None, cfg: Config) -> StepGraphs:
    """The graphs of the steps, unless there is a reason against them, or the configuration wants none."""
    if cfg.get("cuda_graph", "auto") is False:
        return StepGraphs()
    return StepGraphs(CudaGraph, reason, log.info)


def why_no_graphs(
    cfg: Config, step_config: StepConfig | None, parts: Sequence[str] = STEP_PARTS
) -> str | None:
    """Why the run's steps cannot be recorded, whatever its optimizer; None if they can.

    Args:
        cfg: The run's configuration.
        step_config: How a block's gradients become steps; None for ordinary Lightning.
        parts: The parts of the configuration whose code the steps call.
    """
    if step_config is None:
        return "the run is trained by ordinary Lightning (steps_per_execution=1)"
    if step_config.accumulate > 1:
        return f"trainer.accumulate_grad_batches={step_config.accumulate}"
    if cfg["data"].get("augment"):
        return "data.augment draws its numbers on the host"
    if cfg.get("compile"):
        return "compile=true"
    if cfg["trainer"].get("detect_anomaly"):
        return "trainer.detect_anomaly=true"
    custom = [name for part in parts for name in targets(cfg[part]) if is_custom(name)]
    if custom and cfg.get("cuda_graph", "auto") == "auto":
        return f"{custom[0]} may do something on the host; if it does not, write cuda_graph=true"
    return None
