"""What a configuration from a run directory may build: networks, losses and data, or what training takes.

A run directory may come from a stranger, and a `_target_` names any callable there is.
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
from abreast.data.source import Source
from abreast.errors import RunError
from abreast.runs.files import LOG, METRICS

PLACES = ("dir", "path", "file", "root", "folder")  # how keys of files and folders end
LOCAL = (
    "abreast.loggers.TensorBoard",
    "lightning.pytorch.loggers.CSVLogger",
    "lightning.pytorch.loggers.TensorBoardLogger",
)
PACKAGES = ("abreast", "torch", "torchvision", "torchmetrics", "lightning")


def trusted_targets(config: dict[str, Any], packages: Sequence[str] = ()) -> list[str]:
    """The targets in the model, loss and data of a run's configuration, each of them checked.

    A target must be defined in one of our own packages or `packages`, and be an `nn.Module`, or for the
    data itself a function that returns a Source. Each comes with the full name it resolves to, as Hydra's
    whitelist wants both. Raises RunError, which names the first that may not be built.
    """
    data = str(config["data"].get("_target_"))
    found = [data, _check(data, packages, _gives_source, "a function that returns an abreast Source")]
    for part in ("model", "loss"):
        for target in targets(config[part]):
            found += [target, _check(target, packages, _is_module, "a torch.nn.Module")]
    for target in targets({k: v for k, v in config["data"].items() if k != "_target_"}):
        raise RunError(f"data: {target} stands where only plain values are built from a run's config")
    return found


def training_targets(config: dict[str, Any], packages: Sequence[str] = ()) -> list[str]:
    """All targets of a run's configuration, each of them checked: what it takes to go on with its training.

    Beside those of `trusted_targets` an optimizer, a schedule, callbacks, loggers and Lightning's Trainer,
    each built from plain values alone. Raises RunError, which names the first that may not be built.
    """
    found = trusted_targets(config, packages)
    places = [("optim", config["optim"]), ("trainer", config["trainer"])]
    places += [(f"callbacks.{name}", node) for name, node in config["callbacks"].items()]
    places += [(f"logger.{name}", node) for name, node in config["logger"].items()]
    if config["schedule"]["scheduler"] is not None:
        places.append(("schedule.scheduler", config["schedule"]["scheduler"]))
    for place, node in places:
        target = str(node.get("_target_"))
        fits, what = MAKERS[place.partition(".")[0]]
        found += [target, _check(target, packages, fits, what)]
        for inner in targets({k: v for k, v in node.items() if k != "_target_"}):
            raise RunError(f"{place}: {inner} stands where only plain values are built from a run's config")
    return found


def check_places(config: Mapping[str, Any], run: Path, trusted: Sequence[str] = ()) -> None:
    """That a training of the configuration writes into the run's directory alone, and sends nothing away.

    `trusted` may name other folders, and packages of loggers (`wandb`). Raises RunError.
    """
    for name in (LOG, METRICS):
        if (run / name).is_symlink():
            raise RunError(f"{run / name}: not written to, as it is a link to elsewhere: put a file there")
    for name, node in config["logger"].items():
        home = hydra.utils.get_object(node["_target_"]).__module__.rpartition(".")[2]
        if node["_target_"] not in LOCAL and home not in trusted:
            raise RunError(
                f"logger.{name}: {node['_target_']} may send what it is given away. "
                f"If that is what you want: trust=[{home}]"
            )
    folders = [run, *(Path(each) for each in trusted if os.sep in each)]
    for group in ("callbacks", "logger", "trainer"):
        for key, text in _texts(config[group], group):
            path = Path(text).expanduser()
            leads_away = path.is_absolute() or ".." in path.parts or key.endswith(PLACES)
            if leads_away and not any(path.resolve().is_relative_to(each.resolve()) for each in folders):
                raise RunError(
                    f"{key}={text}: not used, as it lies outside {run}. If you want that: trust=[{path}]"
                )


def _texts(node: Any, key: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, str):
        yield key, node
    elif isinstance(node, Mapping):
        for name, each in node.items():
            yield from _texts(each, f"{key}.{name}")
    elif isinstance(node, list):
        for each in node:
            yield from _texts(each, key)


def _check(target: str, packages: Sequence[str], fits: Callable[[Any], bool], what: str) -> str:
    allowed = (*PACKAGES, *packages)
    root = target.split(".", 1)[0]
    if root not in allowed:
        raise RunError(
            f"{target}: not run, as {root} is none of the packages trusted with a run's config "
            f"({', '.join(allowed)}). If you trust it: --trust {root}"
        )
    try:
        found = hydra.utils.get_object(target)
    except Exception as error:
        raise RunError(f"{target}: cannot be found ({error})") from None
    home = getattr(found, "__module__", "").split(".", 1)[0]
    if home not in allowed or not fits(found):
        raise RunError(f"{target}: not run, as it is not {what}")
    return f"{found.__module__}.{found.__qualname__}"


def _is_module(found: Any) -> bool:
    return isinstance(found, type) and issubclass(found, nn.Module)


def _gives_source(found: Any) -> bool:
    if not inspect.isfunction(found):
        return False
    return inspect.signature(found).return_annotation in (Source, "Source")


def _is_a(*kinds: type) -> Callable[[Any], bool]:
    return lambda found: isinstance(found, type) and issubclass(found, kinds)


def _gives_schedule(found: Any) -> bool:
    if _is_a(LRScheduler)(found):
        return True
    return inspect.isfunction(found) and found.__module__ == "abreast.optim.schedules"


MAKERS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "optim": (_is_a(Optimizer), "a torch.optim.Optimizer"),
    "schedule": (_gives_schedule, "a learning-rate schedule"),
    "callbacks": (_is_a(Callback), "a Lightning callback"),
    "logger": (_is_a(Logger), "a Lightning logger"),
    "trainer": (_is_a(Trainer), "Lightning's Trainer"),
}
