"""Which runs of a sweep can be trained together, and why one can't. Plain configs in, no torch."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, TypeVar

T = TypeVar("T")
Config = dict[str, Any]

# What a lane has for itself; everything else is the stack's, and must be equal.
LANE_GROUPS = ("seed", "loss", "optim", "schedule", "callbacks", "logger", "monitor", "checkpoint", "names")
LANE_TRAINER = ("gradient_clip_val", "gradient_clip_algorithm")

LANE_CALLBACKS = (
    "abreast.callbacks.Progress",
    "abreast.callbacks.TestImages",
    "lightning.pytorch.callbacks.EarlyStopping",
)
LANE_LOGGERS = (
    "abreast.loggers.TensorBoard",
    "lightning.pytorch.loggers.TensorBoardLogger",
    "lightning.pytorch.loggers.CSVLogger",
)

# The Trainer's settings that a stack knows, with the values it can do; None: any value.
TRAINER: dict[str, tuple[Any, ...] | None] = {
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
    """What is trained how: the runs by their place in the list that was given.

    `stacks`: lists of runs to be trained together. `alone`: runs to be trained plainly, by the reason why;
    the reason of a run with no other to share its stack is `LONELY`.
    """

    stacks: list[list[int]] = field(default_factory=list)
    alone: dict[str, list[int]] = field(default_factory=dict)


LONELY = "no other run of the sweep has its network, data and length"


def plan(configs: Sequence[Config], max_lanes: int = 128) -> Plan:
    """Group runs that differ only in what a lane may differ in, `max_lanes` at most to a stack.

    Lanes are ordered so that those with one optimizer, schedule and loss stand side by side.
    Raises ValueError for `max_lanes` below 1.
    """
    if max_lanes < 1:
        raise ValueError(f"{max_lanes=} must be 1 or more")
    found = Plan()
    groups: dict[str, list[int]] = {}
    for number, config in enumerate(configs):
        reason = why_alone(config)
        if reason is None:
            groups.setdefault(shared(config), []).append(number)
        else:
            found.alone.setdefault(reason, []).append(number)
    for group in groups.values():
        group.sort(key=lambda number: (lane_key(configs[number]), number))
        for lanes in split(group, max_lanes):
            if len(lanes) == 1:
                found.alone.setdefault(LONELY, []).append(lanes[0])
            else:
                found.stacks.append(lanes)
    return found


def split(lanes: list[T], most: int) -> list[list[T]]:
    """The lanes in the fewest parts of at most `most`, of sizes that differ by one at most."""
    return evenly(lanes, math.ceil(len(lanes) / most))


def evenly(lanes: list[T], parts: int) -> list[list[T]]:
    """The lanes in so many parts, of sizes that differ by one at most."""
    bounds = [len(lanes) * part // parts for part in range(parts + 1)]
    return [lanes[a:b] for a, b in pairwise(bounds)]


def shared(config: Config) -> str:
    """What all lanes of a stack have in common, as one text to compare."""
    common = {key: value for key, value in config.items() if key not in LANE_GROUPS}
    common["trainer"] = {k: v for k, v in config["trainer"].items() if k not in LANE_TRAINER}
    return _text(common)


def optimizer_key(config: Config) -> str:
    """What lanes that one optimizer can update have in common."""
    own = {key: config["trainer"].get(key) for key in LANE_TRAINER}
    return _text([config["optim"], config["schedule"], own])


def lane_key(config: Config) -> tuple[str, str]:
    """The order of lanes: by optimizer, then by loss."""
    return optimizer_key(config), _text(config["loss"])


def why_alone(config: Config) -> str | None:
    """Why a run cannot be a lane, in words that fit after "trained plainly: "; None where it can."""
    trainer: Mapping[str, Any] = config["trainer"]
    for key, value in trainer.items():
        if key not in TRAINER:
            return f"trainer.{key} is not known to a stack"
        allowed = TRAINER[key]
        if allowed is not None and value not in allowed:
            return f"trainer.{key}={value} is not possible in a stack"
    if config.get("compile"):
        return "compile=true compiles a network of its own"
    if config["steps_per_execution"] == 1:
        return "steps_per_execution=1 asks for Lightning's own step"
    if config["optim"]["_target_"] == "torch.optim.LBFGS":
        return "LBFGS evaluates the loss as often as it likes"
    for name, node in config["callbacks"].items():
        if node["_target_"] not in LANE_CALLBACKS:
            return f"callbacks.{name} ({node['_target_']}) expects a Trainer of its own"
    for name, node in config["logger"].items():
        if node["_target_"] not in LANE_LOGGERS:
            return f"logger.{name} ({node['_target_']}) serves one run a process"
    return None


def _text(node: Any) -> str:
    return json.dumps(node, sort_keys=True, default=str)
