"""What the configuration of a run directory may build: networks, losses, metrics and data, or all of it.

A run directory may come from a stranger, and a `_target_` can name any callable.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import hydra.utils

from abreast.build.allowed_classes import HOMES, KINDS, allowed_class
from abreast.config.run_config import entries
from abreast.config.targets import targets
from abreast.config.types import Config
from abreast.errors import RunError
from abreast.metrics.requested import nodes
from abreast.runs.links import refuse_links_out
from abreast.runtime.printable import printable
from abreast.runtime.user_path import user_path

PATH_SUFFIXES = ("dir", "path", "file", "root", "folder")  # how keys of files and folders end
LOCAL_LOGGERS = (
    "abreast.loggers.TensorBoard",
    "lightning.pytorch.loggers.CSVLogger",
    "lightning.pytorch.loggers.TensorBoardLogger",
)
REGISTRY = "litmodels"  # the package by which Lightning's Trainer sends checkpoints
# Data sets of files with fixed names: four of images and labels, or files of known checksums alone.
FIXED_NAMES = tuple(f"abreast.data.{name}" for name in ("mnist", "fashion_mnist", "kmnist", "torchvision"))


def trusted_targets(config: Config, packages: Sequence[str] = ()) -> list[str]:
    """The targets in the model, loss, metrics and data of a run's configuration, checked one by one.

    Args:
        config: The configuration of a run directory.
        packages: Packages of which every class of the right kind may be built, too: the user's word.

    Returns:
        Each target, and the full name that it resolves to: Hydra's whitelist needs both.

    Raises:
        RunError: A target may not be built; the message names it.
    """
    allowed = _check("data", str(config["data"].get("_target_")), packages)
    for part in ("model", "loss"):
        for target in targets(config[part]):
            allowed += _check("module", target, packages)
    plain = {"data": config["data"]}
    for name, node in nodes(config).items():
        allowed += _check("metrics", str(node.get("_target_")), packages)
        plain[f"metrics.{name}"] = node
    for key, node in plain.items():
        for target in targets({k: v for k, v in node.items() if k != "_target_"}):
            raise RunError(f"{printable(key)}: {target} is not built: only plain values may stand there")
    return allowed


def training_targets(config: Config, packages: Sequence[str] = ()) -> list[str]:
    """All targets of a run's configuration, checked one by one: what resuming its training takes.

    Beside those of `trusted_targets` these are an optimizer, a schedule, callbacks, loggers and Lightning's
    Trainer, each built from plain values alone. Else as `trusted_targets`.
    """
    allowed = trusted_targets(config, packages)
    nodes = [("optim", config["optim"]), ("trainer", config["trainer"])]
    nodes += [(f"callbacks.{name}", node) for name, node in entries(config, "callbacks").items()]
    nodes += [(f"logger.{name}", node) for name, node in entries(config, "logger").items()]
    if config["schedule"]["scheduler"] is not None:
        nodes.append(("schedule.scheduler", config["schedule"]["scheduler"]))
    for key, node in nodes:
        allowed += _check(key.partition(".")[0], str(node.get("_target_")), packages)
        for inner in targets({k: v for k, v in node.items() if k != "_target_"}):
            raise RunError(f"{key}: {inner} is not built: only plain values may stand there")
    return allowed


def check_data_paths(data: Config, run: Path, given: Sequence[str] = ()) -> None:
    """Check that the data of a run directory lie in places that the user has chosen.

    These are the run's directory, the working directory, and what the command line names. The data sets of
    `FIXED_NAMES` may lie anywhere: only files of their four names are read, and only as images and labels.

    Args:
        data: The data of the run's configuration.
        run: The run's directory.
        given: Keys of the data that the command line sets, and folders that it trusts.

    Raises:
        RunError: A file or folder lies elsewhere; the message names it and the fix, and nothing of it.
    """
    places = [run, Path.cwd(), *(user_path(name) for name in given if os.sep in name)]
    real = [os.path.realpath(folder) for folder in places]
    for key, text in _texts({k: v for k, v in data.items() if k not in ("_target_", "mirrors")}, "data"):
        name = key.split(".")[1]
        if name in given or (name == "dir" and data.get("_target_") in FIXED_NAMES):
            continue
        path = Path(os.path.realpath(user_path(text)) if "\0" not in text else os.sep)
        if not any(path.is_relative_to(folder) for folder in real):
            raise RunError(
                f"{key}={text}: not read, as it lies outside {run} and the working directory, and a run "
                f"directory may come from somebody else. If you want that, trust its folder on the command "
                f"line (--trust FOLDER, with resume= trust=[FOLDER]), or give the key there: {key}=..."
            )


def check_output_paths(config: Mapping[str, Any], run: Path, trusted: Sequence[str] = ()) -> None:
    """Check that training writes into the run's directory alone, and sends nothing to a server.

    Args:
        config: The configuration of a run directory.
        run: The run's directory.
        trusted: Other folders that may be written to, and packages of loggers (`wandb`).

    Raises:
        RunError: Something would be written elsewhere or sent away; the message names the key and the fix.
    """
    folders = [run, *(user_path(name) for name in trusted if os.sep in name)]
    refuse_links_out(run, folders[1:])
    for name, node in entries(config, "logger").items():
        home = hydra.utils.get_object(node["_target_"]).__module__.rpartition(".")[2]
        if node["_target_"] not in LOCAL_LOGGERS and home not in trusted:
            raise RunError(
                f"logger.{name}: {node['_target_']} may send what it logs to a server. "
                f"If that is what you want: trust=[{home}]"
            )
    registry = config["trainer"].get("model_registry")
    if registry and REGISTRY not in trusted:
        raise RunError(
            f"trainer.model_registry={registry}: may send checkpoints to a server. "
            f"If that is what you want: trust=[{REGISTRY}]"
        )
    for group in ("callbacks", "logger", "trainer"):
        for key, text in _texts(config[group], group):
            path = user_path(text)
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


def _check(kind: str, target: str, packages: Sequence[str]) -> list[str]:
    """The names of a target that may be built: the one that was asked for, and its full one."""
    fits, what = KINDS[kind]
    built = allowed_class(kind, target)
    if built is None:
        root = target.split(".", 1)[0]
        if root not in packages:
            raise RunError(
                f"{target}: not run, as it is not on the list of classes that a run directory may build "
                f"here ({what} of {', '.join(HOMES[kind])}). If you trust the package: --trust {root}, "
                f"with resume= trust=[{root}]"
            )
        try:
            built = hydra.utils.get_object(target)
        except Exception as error:
            raise RunError(f"{target}: cannot be found ({error})") from None
        home = getattr(built, "__module__", "").split(".", 1)[0]
        if not fits(built) or (home not in packages and allowed_class(kind, full_name(built)) is None):
            raise RunError(f"{target}: not run, as it is not {what}")
    return [target, full_name(built)]


def full_name(target: Any) -> str:
    """The name under which a class or function is defined."""
    return f"{target.__module__}.{target.__qualname__}"
