"""From configs to the lanes, data and Trainer of a stack."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer
from torch import nn

from abreast.build.components import ComponentCache, build_data, build_learner, build_net, ignore_index
from abreast.build.instantiate import make
from abreast.build.sizing import net_sizes
from abreast.build.steps import build_step_config
from abreast.build.trainer import build_callbacks, build_loggers, trainer_node
from abreast.callbacks import RunWriter
from abreast.data.datamodule import DataModule
from abreast.data.source import check_labels
from abreast.learner.block_step import needs_closure
from abreast.runs.directory import RunDirectory
from abreast.runtime.process import prepare_process
from abreast.runtime.seeding import seed_everything
from abreast.stacking.eligibility import is_same_architecture, why_ineligible
from abreast.stacking.grouping import Config
from abreast.stacking.lane import Lane


class NotStackableError(Exception):
    """A run that has to be trained plainly, with the reason."""


@dataclass(frozen=True)
class Job:
    """A run: its resolved config and its directory; `title` says what sets it apart."""

    cfg: Config
    directory: Path
    title: str = ""


@dataclass
class Outcome:
    """How a job ended: a value for sweepers (the worst, if it diverged), an error, or why it was left."""

    value: float | None = None
    error: BaseException | None = None
    left: str | None = None


def lanes_in(memory_gib: float, cfg: Config) -> int:
    """How many lanes the memory takes: each with weights, gradients, two moments, and two checkpoints."""
    data = build_data(cfg)
    net = build_net(cfg, data.in_shape, data.out_features)
    lane = sum(p.numel() * p.element_size() for p in net.parameters()) * (4 + 2 * 3)
    return max(1, int(memory_gib * 2**30 / lane))


def build_lanes(
    jobs: Sequence[Job], directories: Sequence[RunDirectory], outcomes: list[Outcome]
) -> tuple[list[Lane], DataModule]:
    """The lanes of the jobs that can be trained together, and their common data."""
    cfg = jobs[0].cfg
    prepare_process()
    seed_everything(cfg["seed"])
    _, steps = build_step_config(cfg)
    lenient = next((job.cfg for job in jobs if ignore_index(job.cfg) is not None), cfg)
    data = build_data(lenient, steps)  # each lane checks the labels for itself
    lanes: list[Lane] = []
    parts: dict[str, Any] = {}
    for number, (job, directory) in enumerate(zip(jobs, directories, strict=True)):
        if outcomes[number].error is not None:  # its directory cannot be written to
            continue
        try:
            lanes.append(build_lane(number, job, directory, data, len(jobs), parts))
        except NotStackableError as reason:
            outcomes[number].left = str(reason)
        except Exception as error:
            outcomes[number].error = error
            directory.write_failure(error)
    return lanes, data


def build_lane(
    number: int, job: Job, directory: RunDirectory, data: DataModule, count: int, parts: dict[str, Any]
) -> Lane:
    """A lane of a stack of `count`; `parts` is what its lanes share. Raises NotStackableError."""
    cfg = job.cfg
    if data.classes:
        own = ignore_index(cfg)
        labels = {name: getattr(data, name).targets for name in ("train", "val", "test")}
        for name, targets in labels.items():
            check_labels(targets, len(data.classes), name, own)
        data.ignores = own is not None and any(bool(each.eq(own).any()) for each in labels.values())
    stepping, _ = build_step_config(cfg)
    if stepping is None:
        raise NotStackableError("its steps are Lightning's own")
    net = build_lane_net(cfg, data, parts)
    learner = build_learner(cfg, data, stepping, net=net, cache=parts.setdefault("cache", ComponentCache()))
    if [*learner.loss.parameters()]:
        raise NotStackableError(f"{learner.loss.name} has weights of its own")
    reason = why_ineligible(learner.net)
    if reason is not None:
        raise NotStackableError(reason)
    first: nn.Module = parts.setdefault("first net", learner.net)
    if not is_same_architecture(learner.net, first):
        raise NotStackableError(
            f"{type(learner.net).__name__} differs in architecture from the stack's first run"
        )
    if needs_closure(learner.make_optimizer([*learner.net.parameters()])):
        raise NotStackableError(f"{cfg['optim']['_target_']} evaluates the loss itself")
    callbacks = build_callbacks(cfg, directory)
    for callback in callbacks:
        if isinstance(callback, RunWriter):
            callback.share = 1 / count
    return Lane(number, cfg, directory, learner, callbacks, build_loggers(cfg, directory))


def build_lane_net(cfg: Config, data: DataModule, parts: dict[str, Any]) -> nn.Module:
    """The network as `build_net` makes it; `parts` keeps what calls its class.

    Finding the class takes Hydra longer than making a small network. Where arguments are no plain data, but
    made by Hydra themselves, every lane has to have its own.
    """
    factory = parts.get("make net")
    if factory is None:
        net = build_net(cfg, data.in_shape, data.out_features)
        if str(cfg["model"]).count("_target_") == 1:
            sizes = net_sizes(cfg["model"], data.in_shape, data.out_features)
            parts["make net"] = make("model", {**cfg["model"], "_partial_": True}, **sizes)
        return net
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(cfg["seed"])
        made = copy.deepcopy(factory)()
    assert isinstance(made, nn.Module)
    return made


def stack_trainer(cfg: Config, data: DataModule, callbacks: Sequence[Callback] = ()) -> Trainer:
    """Lightning's Trainer for a stack, without anything that belongs to a run."""
    node = {k: v for k, v in trainer_node(cfg).items() if not k.startswith("gradient_clip")}
    node.pop("accumulate_grad_batches", None)
    node["log_every_n_steps"] = 1
    quiet: dict[str, Any] = dict.fromkeys(
        ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False
    )
    more: dict[str, Any] = {"callbacks": list(callbacks), "num_sanity_val_steps": 0}
    trainer = make("trainer", node, **quiet, **more, use_distributed_sampler=False)
    assert isinstance(trainer, Trainer)
    return trainer
