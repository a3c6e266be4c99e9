"""What the configuration of a run directory may build: networks, losses and data, or all that training takes.

A run directory may come from a stranger, and a `_target_` can name any callable.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import hydra.utils
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.loggers import Logger
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from abreast.config.targets import targets
from abreast.config.types import Config
from abreast.data.source import Source
from abreast.errors import RunError
from abreast.runs.files import LOG, METRICS

PATH_SUFFIXES = ("dir", "path", "file", "root", "folder")  # how keys of files and folders end
LOCAL_LOGGERS = (
    "abreast.loggers.TensorBoard",
    "lightning.pytorch.loggers.CSVLogger",
    "lightning.pytorch.loggers.TensorBoardLogger",
)
PACKAGES = ("abreast", "torch", "torchvision", "torchmetrics", "lightning")


def trusted_targets(config: Config, packages: Sequence[str] = ()) -> list[str]:
    """The targets in the model, loss and data of a run's configuration, checked one by one.

    A target must be defined in a trusted package and be an `nn.Module`, or for the data itself a function
    that returns a Source.

    Args:
        config: The configuration of a run directory.
        packages: Packages to trust beside `PACKAGES`.

    Returns:
        Each target, and the full name that it resolves to: Hydra's whitelist needs both.

    Raises:
        RunError: A target may not be built; the message names it.
    """
    data = str(config["data"].get("_target_"))
    allowed = [data, _check(data, packages, _gives_source, "a function that returns an abreast Source")]
    for part in ("model", "loss"):
        for target in targets(config[part]):
            allowed += [target, _check(target, packages, _is_module, "a torch.nn.Module")]
    for target in targets({k: v for k, v in config["data"].items() if k != "_target_"}):
        raise RunError(f"data: {target} is not built: only plain values may stand there")
    return allowed


def training_targets(config: Config, packages: Sequence[str] = ()) -> list[str]:
    """All targets of a run's configuration, checked one by one: what resuming its training takes.

    Beside those of `trusted_targets` these are an optimizer, a schedule, callbacks, loggers and Lightning's
    Trainer, each built from plain values alone. Else as `trusted_targets`.
    """
    allowed = trusted_targets(config, packages)
    nodes = [("optim", config["optim"]), ("trainer", config["trainer"])]
    nodes += [(f"callbacks.{name}", node) for name, node in config["callbacks"].items()]
    nodes += [(f"logger.{name}", node) for name, node in config["logger"].items()]
    if config["schedule"]["scheduler"] is not None:
        nodes.append(("schedule.scheduler", config["schedule"]["scheduler"]))
    for key, node in nodes:
        target = str(node.get("_target_"))
        fits, what = MAKERS[key.partition(".")[0]]
        allowed += [target, _check(target, packages, fits, what)]
        for inner in targets({k: v for k, v in node.items() if k != "_target_"}):
            raise RunError(f"{key}: {inner} is not built: only plain values may stand there")
    return allowed


def check_output_paths(config: Mapping[str, Any], run: Path, trusted: Sequence[str] = ()) -> None:
    """Check that training writes into the run's directory alone, and sends nothing to a server.

    Args:
        config: The configuration of a run directory.
        run: The run's directory.
        trusted: Other folders that may be written to, and packages of loggers (`wandb`).

    Raises:
        RunError: Something would be written elsewhere or sent away; the message names the key and the fix.
    """
    for name in (LOG, METRICS):
        if (run / name).is_symlink():
            raise RunError(f"{run / name}: not written to, as it is a link to elsewhere: put a file there")
    for name, node in config["logger"].items():
        home = hydra.utils.get_object(node["_target_"]).__module__.rpartition(".")[2]
        if node["_target_"] not in LOCAL_LOGGERS and home not in trusted:
            raise RunError(
                f"logger.{name}: {node['_target_']} may send what it logs to a server. "
                f"If that is what you want: trust=[{home}]"
            )
    folders = [run, *(Path(name) for name in trusted if os.sep in name)]
    for group in ("callbacks", "logger", "trainer"):
        for key, text in _texts(config[group], group):
            path = Path(text).expanduser()
            leads_away = path.is_absolute() or ".." in path.parts or key.endswith(PATH_SUFFIXES)
            if leads_away and not any(path.resolve().is_relative_to(folder.resolve()) for folder in folders):
                raise RunError(
                    f"{key}={text}: not used, as it lies outside {run}. If you want that: trust=[{path}]"
                )


def _texts(node: Any, key: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, str):
        yield key, node
    elif isinstance(node, Mapping):
        for name, value in node.items():
            yield from _texts(value, f"{key}.{name}")
    elif isinstance(node, list):
        for item in node:
            yield from _texts(item, key)


def _check(target: str, packages: Sequence[str], fits: Callable[[object], bool], what: str) -> str:
    allowed = (*PACKAGES, *packages)
    root = target.split(".", 1)[0]
    if root not in allowed:
        raise RunError(
            f"{target}: not run, as {root} is not one of the packages trusted with a run's config "
            f"({', '.join(allowed)}). If you trust it: --trust {root}"
        )
    try:
        target_object = hydra.utils.get_object(target)
    except Exception as error:
        raise RunError(f"{target}: cannot be found ({error})") from None
    home = getattr(target_object, "__module__", "").split(".", 1)[0]
    if home not in allowed or not fits(target_object):
        raise RunError(f"{target}: not run, as it is not {what}")
    return f"{target_object.__module__}.{target_object.__qualname__}"


def _is_module(target: object) -> bool:
    return isinstance(target, type) and issubclass(target, nn.Module)


def _gives_source(target: object) -> bool:
    if not inspect.isfunction(target):
        return False
    return inspect.signature(target).return_annotation in (Source, "Source")


def _is_a(*kinds: type) -> Callable[[object], bool]:
    return lambda target: isinstance(target, type) and issubclass(target, kinds)


def _gives_schedule(target: object) -> bool:
    if _is_a(LRScheduler)(target):
        return True
    return inspect.isfunction(target) and target.__module__ == "abreast.optim.schedules"


MAKERS: dict[str, tuple[Callable[[object], bool], str]] = {
    "optim": (_is_a(Optimizer), "a torch.optim.Optimizer"),
    "schedule": (_gives_schedule, "a learning-rate schedule"),
    "callbacks": (_is_a(Callback), "a Lightning callback"),
    "logger": (_is_a(Logger), "a Lightning logger"),
    "trainer": (_is_a(Trainer), "Lightning's Trainer"),
}
