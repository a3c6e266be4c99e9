"""Which runs of a sweep can be trained as one stack, and why others cannot. Configs in, no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import TypeVar

from abreast.config.canonical_text import canonical_text
from abreast.config.run_config import entries
from abreast.config.types import Config

T = TypeVar("T")

# What may differ between the lanes of a stack; everything else must be equal.
LANE_GROUPS = (
    "seed",
    "loss",
    "optim",
    "schedule",
    "callbacks",
    "logger",
    "monitor",
    "checkpoint",
    "names",
    "ema",
)
LANE_DATA = ("split_seed", "folds", "fold")
LANE_TRAINER = ("gradient_clip_val", "gradient_clip_algorithm")

EARLY_STOPPING = "lightning.pytorch.callbacks.EarlyStopping"
LANE_CALLBACKS = ("abreast.callbacks.Progress", "abreast.callbacks.TestImages", EARLY_STOPPING)
LANE_LOGGERS = (
    "abreast.loggers.MLflow",
    "abreast.loggers.TensorBoard",
    "abreast.loggers.Wandb",
    "lightning.pytorch.loggers.TensorBoardLogger",
    "lightning.pytorch.loggers.CSVLogger",
)

# Optimizers that step one run alone, and why.
INDIVIDUAL = {
    "torch.optim.LBFGS": "LBFGS evaluates the loss several times per step",
    "abreast.optim.SAM": "SAM evaluates the loss several times per step",
    "pytorch_optimizer.SophiaH": "SophiaH takes the Hessian of its run's own loss",
    "pytorch_optimizer.AdaHessian": "AdaHessian takes the Hessian of its run's own loss",
}

# The Trainer's arguments that a stack supports, with the values that it supports; None: any value.
TRAINER: dict[str, tuple[object, ...] | None] = {
    "_target_": ("lightning.pytorch.Trainer",),
    "max_epochs": None,
    "max_steps": None,
    "accelerator": None,
    "devices": (1, "1", "auto"),
    "strategy": ("auto",),
    "num_nodes": (1,),
    "precision": (32, "32", "32-true"),
    "gradient_clip_val": None,
    "gradient_clip_algorithm": None,
    "accumulate_grad_batches": (1,),
    "check_val_every_n_epoch": None,
    "limit_train_batches": None,
    "limit_val_batches": None,
    "limit_test_batches": None,
    "log_every_n_steps": None,
    "deterministic": None,
    "detect_anomaly": (False, None),
}


@dataclass(frozen=True)
class Plan:
    """How runs are trained, by their positions in a list.

    Attributes:
        stacks: Runs that are trained together.
        individual: Runs that are trained individually, by the reason why; `UNMATCHED` for runs that could
            be stacked, but with no other.
    """

    stacks: list[list[int]] = field(default_factory=list)
    individual: dict[str, list[int]] = field(default_factory=dict)


UNMATCHED = "no other run of the sweep has its network, data and length"


def plan(configs: Sequence[Config], max_lanes: int = 128) -> Plan:
    """Group runs that differ only in what the lanes of a stack may differ in.

    The lanes of a stack are ordered so that those of one optimizer, schedule and loss are neighbours.

    Args:
        configs: The runs' resolved configs.
        max_lanes: The most runs in a stack.

    Raises:
        ValueError: `max_lanes` is below 1.
    """
    if max_lanes < 1:
        raise ValueError(f"{max_lanes=} must be 1 or more")
    result = Plan()
    groups: dict[str, list[int]] = {}
    for number, config in enumerate(configs):
        reason = why_individual(config)
        if reason is None:
            groups.setdefault(shared_settings(config), []).append(number)
        else:
            result.individual.setdefault(reason, []).append(number)
    for group in groups.values():
        group.sort(key=lambda number: (lane_key(configs[number]), number))
        for lanes in split(group, max_lanes):
            if len(lanes) == 1:
                result.individual.setdefault(UNMATCHED, []).append(lanes[0])
            else:
                result.stacks.append(lanes)
    return result


def split(lanes: list[T], max_lanes: int) -> list[list[T]]:
    """Divide the lanes into the fewest parts of at most `max_lanes`, whose sizes differ by one at most."""
    return split_evenly(lanes, math.ceil(len(lanes) / max_lanes))


def largest_part(lanes: int, max_lanes: int) -> int:
    """The size of the largest part when so many lanes are divided by `split`."""
    return math.ceil(lanes / math.ceil(lanes / max_lanes))


def split_evenly(lanes: list[T], parts: int) -> list[list[T]]:
    """Divide the lanes into so many parts, whose sizes differ by one at most."""
    bounds = [len(lanes) * part // parts for part in range(parts + 1)]
    return [lanes[a:b] for a, b in pairwise(bounds)]


def equal_neighbours(keys: Sequence[object]) -> list[slice]:
    """The longest ranges of neighbouring lanes of equal keys.

    >>> equal_neighbours([3, 3, 1])
    [slice(0, 2, None), slice(2, 3, None)]
    """
    neighbours: list[slice] = []
    for _, lanes in groupby(range(len(keys)), lambda lane: keys[lane]):
        first, *others = lanes
        neighbours.append(slice(first, first + 1 + len(others)))
    return neighbours


def shared_settings(config: Config) -> str:
    """What must be equal for all lanes of a stack, as one text to compare."""
    common = {key: value for key, value in config.items() if key not in LANE_GROUPS}
    common["trainer"] = {k: v for k, v in config["trainer"].items() if k not in LANE_TRAINER}
    common["data"] = {k: v for k, v in config["data"].items() if k not in LANE_DATA}
    if config["data"].get("label_noise"):  # which spares the label that the loss ignores
        ignored = config["loss"]["criterion"].get("ignore_index")
        common["ignored label"] = ignored if isinstance(ignored, int) and ignored >= 0 else None
    return canonical_text(common)


def split_key(config: Config) -> str:
    """What is equal for lanes that train, validate and test on the same examples, as one text to compare."""
    return canonical_text([config["data"].get(key) for key in LANE_DATA])


def optimizer_key(config: Config) -> str:
    """What must be equal for lanes that share an optimizer's parameter group, as one text to compare."""
    clipping = {key: config["trainer"].get(key) for key in LANE_TRAINER}
    return canonical_text([config["optim"], config["schedule"], clipping, config.get("ema")])


def is_said_elementwise(config: Config) -> bool:
    """Whether the run's optimizer is said to update each value alone, and nothing averages its weights."""
    return bool(config["optim"].get("elementwise")) and config.get("ema") is None


def lane_key(config: Config) -> tuple[str, str]:
    """What lanes are ordered by: what of the optimizer is in use, its settings, then the loss."""
    optim = config["optim"]
    unused = sorted(key for key, value in optim.items() if isinstance(value, (int, float)) and not value)
    return canonical_text([optim["_target_"], unused]) + optimizer_key(config), canonical_text(config["loss"])


def why_individual(config: Config) -> str | None:
    """Why a run must be trained individually; None if it need not."""
    trainer: Mapping[str, object] = config["trainer"]
    for key, value in trainer.items():
        if key not in TRAINER:
            return f"a stack does not support trainer.{key}"
        allowed = TRAINER[key]
        if allowed is not None and value not in allowed:
            return f"a stack does not support trainer.{key}={value}"
    if config.get("compile"):
        return "compile=true compiles a single network"
    if config["steps_per_execution"] == 1:
        return "steps_per_execution=1 asks for Lightning's automatic optimization"
    reason = INDIVIDUAL.get(config["optim"]["_target_"])
    if reason is not None:
        return reason
    for name, node in entries(config, "callbacks").items():
        if node["_target_"] not in LANE_CALLBACKS:
            return f"callbacks.{name} ({node['_target_']}) is not supported in a stack"
    for name, node in entries(config, "logger").items():
        if node["_target_"] not in LANE_LOGGERS:
            return f"logger.{name} ({node['_target_']}) serves one run per process"
    return None
