"""Mistakes in the combination of keys, each of which is right by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from abreast.config.augmentation import augment_mistakes
from abreast.config.callbacks import unsupported_callbacks
from abreast.config.options import groups, option
from abreast.config.schema import TASKS
from abreast.config.types import is_number
from abreast.metrics.registry import asking_for, direction, monitored_keys
from abreast.metrics.requested import nodes
from abreast.static.signatures import resolve
from abreast.suggestions import did_you_mean, listed
from abreast.validation.known_data import class_count
from abreast.validation.loss_forms import check_forms, check_mixing
from abreast.validation.metrics import check_metrics
from abreast.validation.model_sizes import check_model

_CLOSURE = {"LBFGS", "SAM"}
# What abreast requires of the Trainer.
_NEEDED = {
    "fast_dev_run": (False, "it leaves no checkpoint to test; debug=fast is for a quick try"),
    "barebones": (False, "it leaves no checkpoint to test"),
    "enable_checkpointing": (True, "the weights are tested from a checkpoint"),
}
_WATCHING = {"EarlyStopping", "ModelCheckpoint"}


def crosschecks(config: Mapping[str, Any], folders: Sequence[Path]) -> Iterator[str]:
    """A message for each pair of keys that do not fit together. Their types are right already."""
    yield from _task(config, folders)
    yield from check_forms(config["loss"]) if isinstance(config.get("loss"), Mapping) else ()
    yield from _classes(config)
    yield from _folds(config)
    yield from check_model(config["model"]) if isinstance(config.get("model"), Mapping) else ()
    augment = _get(config, "data.augment")
    yield from augment_mistakes(augment) if isinstance(augment, Mapping) else ()
    yield from check_mixing(config, folders)
    yield from check_metrics(config, folders)
    yield from _monitors(config)
    yield from unsupported_callbacks(_callbacks(config))
    yield from _optimizer(config)
    yield from _schedule(config)
    yield from _length(config)
    yield from _given(config)


def _get(config: Mapping[str, Any], path: str, default: Any = None) -> Any:
    node: Any = config
    for name in path.split("."):
        node = node.get(name) if isinstance(node, Mapping) else None
    return default if node is None else node


def _number(config: Mapping[str, Any], path: str, default: float) -> float:
    value = _get(config, path, default)
    return value if is_number(value) else default


def _callbacks(config: Mapping[str, Any]) -> Mapping[str, Any]:
    node = config.get("callbacks")
    return node if isinstance(node, Mapping) else {}


def _class(node: Any) -> str:
    return str(_get(node or {}, "_target_", "")).rpartition(".")[2]


def _task(config: Mapping[str, Any], folders: Sequence[Path]) -> Iterator[str]:
    task, tasks = _get(config, "data.task"), _get(config, "loss.tasks")
    tasks = [tasks] if isinstance(tasks, str) else tasks
    if task not in TASKS or not isinstance(tasks, list):
        return
    if task not in tasks:
        names = groups(folders).get("loss", ())
        fitting = [name for name in names if task in option("loss", name, folders).get("tasks", ())]
        meant = " and ".join(map(str, tasks))
        yield f"loss: it is for {meant}, but data.task={task}. Losses that fit: {listed(fitting)}"


def _folds(config: Mapping[str, Any]) -> Iterator[str]:
    folds, fold = _get(config, "data.folds"), _get(config, "data.fold")
    if folds is None and fold is not None:
        yield f"data.fold: {fold} is one of how many folds? Write data.folds=5, or data.fold=null"
    if isinstance(folds, int) and fold is None:
        every = ",".join(map(str, range(min(folds, 3)))) + (",..." if folds > 3 else "")
        yield f"data.folds: {folds} folds, but no data.fold; write data.fold={every} with -m, a run for each"
    if isinstance(folds, int) and isinstance(fold, int) and fold >= folds:
        yield f"data.fold: must be from 0 to {folds - 1} with data.folds={folds}, got {fold}"


def _classes(config: Mapping[str, Any]) -> Iterator[str]:
    if _get(config, "data.task") == "regression" and _number(config, "data.label_noise", 0) > 0:
        yield "data.label_noise: replaces classes, but data.task=regression; leave it out"
    count = class_count(_get(config, "data", {}))
    if count is None or _get(config, "data.task") != "classification":
        return
    if count < 2:
        yield f"data.classes: classification needs at least 2 classes, got {count}"
    for name in ("weight", "pos_weight", "alpha", "class_counts"):
        weights = _get(config, f"loss.criterion.{name}")
        if isinstance(weights, list) and len(weights) != count:
            number = "1 number" if len(weights) == 1 else f"{len(weights)} numbers"
            yield f"loss.criterion.{name}: has {number} for {count} classes: give one a class"
    if str(_get(config, "data._target_", "")).endswith(".random_classes"):
        most = (count - 1) / count if count else 0
        if _number(config, "data.noise", 0) >= most:
            yield f"data.noise: must be below {most:g} with {count} classes, or the labels say nothing"


def _monitors(config: Mapping[str, Any]) -> Iterator[str]:
    task = _get(config, "data.task")
    watched = {"monitor": _get(config, "monitor"), "schedule.monitor": _get(config, "schedule.monitor")}
    stopping = []
    for name, node in _callbacks(config).items():
        if _class(node) in _WATCHING:
            watched[f"callbacks.{name}.monitor"] = _get(node, "monitor")
            stopping.append(f"callbacks.{name}")
    allowed = monitored_keys(str(task), tuple(nodes(config)))
    for key, name in watched.items():
        if isinstance(name, str) and allowed and name not in allowed:
            near = asking_for(name.rpartition("/")[2]) or did_you_mean(name, allowed)
            yield f"{key}: {name!r} is not measured. {task} has {listed(allowed)}{near}"
    for key, mode in _modes(config):
        best = watched.get(f"{key}.monitor") or (watched["schedule.monitor"] if "scheduler" in key else None)
        better = direction(str(best))
        if best in allowed and mode in ("min", "max") and mode != better:
            yield f"{key}.mode: {mode} is the wrong way for {best}; write {key}.mode={better}"
    yield from _unvalidated(config, watched, stopping)


def _modes(config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    scheduler = _get(config, "schedule.scheduler")
    if _class(scheduler) == "ReduceLROnPlateau":
        yield "schedule.scheduler", _get(scheduler, "mode", "min")
    for name, node in _callbacks(config).items():
        if _class(node) in _WATCHING and _get(node, "monitor") is not None:  # else the run sets both
            yield f"callbacks.{name}", _get(node, "mode", "min")


def _unvalidated(
    config: Mapping[str, Any], watched: Mapping[str, Any], stopping: Sequence[str]
) -> Iterator[str]:
    """What monitors validation metrics in a run without validation."""
    held_out = _number(config, "data.val_fraction", 1) > 0
    every = _number(config, "trainer.check_val_every_n_epoch", 1)
    if not held_out:
        reason = "data.val_fraction=0 leaves no validation examples"
    elif _get(config, "trainer.limit_val_batches") == 0:
        reason = "trainer.limit_val_batches=0 leaves validation out"
    elif every > _number(config, "trainer.max_epochs", every) > 0:
        reason = f"trainer.check_val_every_n_epoch={every} is more than trainer.max_epochs"
    else:
        return
    for key, name in watched.items():
        if isinstance(name, str) and name.startswith("val/"):
            yield f"{key}: {reason}, so {name} is not measured; write {key}=train/{name[4:]}"
    if _get(config, "monitor") is None and held_out:
        yield f"monitor: {reason}, and it is validation that says which epoch is best; write train/loss"
    elif _get(config, "monitor") is None:
        for key in stopping:
            if watched[f"{key}.monitor"] is None:
                yield f"{key}: {reason}, and stopping early watches them; write monitor=train/loss"


def _optimizer(config: Mapping[str, Any]) -> Iterator[str]:
    optim = _get(config, "optim", {})
    clips = _get(config, "trainer.gradient_clip_val") is not None
    half = str(_get(config, "trainer.precision")) in ("16", "16-mixed")
    name = _class(optim)
    if name in _CLOSURE:
        if _number(config, "trainer.accumulate_grad_batches", 1) > 1:
            yield f"trainer.accumulate_grad_batches: {name} evaluates one batch several times a step; write 1"
        if clips:
            yield f"trainer.gradient_clip_val: {name} chooses its own steps and cannot be clipped; write null"
        if half:
            yield f"trainer.precision: {name} does not work with 16-mixed; write 32-true or bf16-mixed"
    elif _get(optim, "fused") is True and half and clips:
        yield "optim.fused: a fused optimizer cannot be clipped under 16-mixed; write optim.fused=false"
    if _get(optim, "nesterov") is True and _class(optim) == "SGD":
        if _number(optim, "momentum", 0) <= 0:
            yield "optim.nesterov: needs a momentum; write optim.momentum=0.9 or optim.nesterov=false"
        if _number(optim, "dampening", 0) != 0:
            yield "optim.nesterov: needs optim.dampening=0"
    if _get(optim, "fused") is True and _get(optim, "foreach") is True:
        yield "optim.fused: fused and foreach exclude each other; leave optim.foreach out"
    yield from _pairs(optim)


def _pairs(optim: Any) -> Iterator[str]:
    betas, etas, sizes = (_get(optim, name) for name in ("betas", "etas", "step_sizes"))
    if _are_numbers(betas) and any(isinstance(number, int) for number in betas):
        written = ", ".join(str(float(number)) for number in betas)
        yield f"optim.betas: torch takes decimal numbers only; write optim.betas=[{written}]"
    if _are_numbers(etas, 2) and not 0 < etas[0] < 1 < etas[1]:
        yield f"optim.etas: must be 0 < first < 1 < second, got {etas}"
    if _are_numbers(sizes, 2) and sizes[0] > sizes[1]:
        yield f"optim.step_sizes: the first must not be above the second, got {sizes}"


def _are_numbers(value: object, count: int | None = None) -> bool:
    return isinstance(value, list) and all(map(is_number, value)) and count in (None, len(value))


def _schedule(config: Mapping[str, Any]) -> Iterator[str]:
    scheduler = _get(config, "schedule.scheduler")
    name = _class(scheduler)
    if name == "ReduceLROnPlateau" and _get(config, "schedule.monitor") is None:
        yield "schedule.monitor: this schedule watches a value; write schedule.monitor=val/loss"
    if name in ("OneCycleLR", "CyclicLR") and _get(scheduler, "cycle_momentum", True) is True:
        try:
            signature = resolve(str(_get(config, "optim._target_")))
        except (LookupError, TypeError):
            return
        if signature is not None and not {"momentum", "betas"} & set(signature.parameters):
            yield "schedule.scheduler.cycle_momentum: this optimizer has no momentum; write false"


def _length(config: Mapping[str, Any]) -> Iterator[str]:
    epochs, steps = _get(config, "trainer.max_epochs"), _get(config, "trainer.max_steps", -1)
    if epochs == -1 and steps == -1 and _get(config, "trainer.max_time") is None:
        yield "trainer.max_epochs: the run would never end; write a number of epochs, or trainer.max_steps"
    most = _get(config, "trainer.max_time")
    if isinstance(most, str) and not re.fullmatch(r"\d+:\d\d:\d\d:\d\d", most.strip()):
        yield f"trainer.max_time: {most!r} is not days:hours:minutes:seconds, as 00:12:00:00 is"
    for name, (value, why) in _NEEDED.items():
        if _get(config, f"trainer.{name}", value) is not value:
            yield f"trainer.{name}: {why}; leave it out"
    if _get(config, "trainer.devices") in (0, "0", []):
        yield "trainer.devices: must be at least 1, or auto"


def _given(config: Mapping[str, Any]) -> Iterator[str]:
    """What was given in Python is in the process that was given it, and in no other."""
    is_given = any(_class(config.get(group)) == "given" for group in ("model", "data"))
    if is_given and (
        _get(config, "trainer.devices") not in (None, 1, "1", "auto")
        or _number(config, "trainer.num_nodes", 1) > 1
    ):
        yield "trainer.devices: a network or data given in Python are in one process; write trainer.devices=1"
