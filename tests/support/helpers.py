"""Composing a configuration as the command line does."""

from __future__ import annotations

import copy
import os
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from abreast.config.sweep_loader import SweepLoader

ROOT = Path(__file__).parents[2]
CONF = ROOT / "conf"


def program_environment(**more: str) -> dict[str, str]:
    """The environment of a process that runs a module of the tests, such as `python -m support.killing`."""
    return {**os.environ, "PYTHONPATH": str(ROOT / "tests"), **more}


# What the targets of the tests' configurations may be: Hydra instantiates nothing else without a warning.
WHITELIST = [
    "torch.*",
    "abreast.*",
    "lightning.*",
    "schedulefree.*",
    "pytorch_optimizer.*",
    "torchmetrics.*",
    "tests.*",
]


def allowed() -> AbstractContextManager[None]:
    """Let Hydra instantiate what the tests' configurations name."""
    from hydra.utils import execution_whitelist

    whitelist: AbstractContextManager[None] = execution_whitelist(WHITELIST)
    return whitelist


def leave_files_to_the_cache() -> None:
    """Let this process's files reach the disk when the system likes.

    A run waits for the disk about eight times, 10 ms each: half of a short test. It is for the day when the
    power fails, and tests/runs/test_atomic.py proves the order of a file's steps.
    """
    os.fsync = _no_wait  # type: ignore[assignment]


def _no_wait(fd: Any, /) -> None:
    """In place of `os.fsync`."""


def compose(*overrides: str) -> dict[str, Any]:
    """The configuration that the command line would give, as plain data."""
    return copy.deepcopy(_composed(overrides))


@cache
def _composed(overrides: tuple[str, ...]) -> dict[str, Any]:
    """Where it can be, from an option each of its groups, so that Hydra composes each option once."""
    from hydra.errors import ConfigCompositionException
    from hydra.types import RunMode
    from omegaconf import OmegaConf

    from abreast.config.run_config import task_part

    main, loader = _loader()
    job = loader.plain_job(main, _with_usual_options(overrides))
    if job is not None and "???" not in repr(job.task):
        return job.task
    try:
        cfg = loader.load_sweep_config(main, list(overrides))
    except ConfigCompositionException:  # a sweeper cannot be a job's choice
        cfg = loader.load_configuration("train", list(overrides), RunMode.RUN)
    plain = OmegaConf.to_container(task_part(cfg), resolve=True, throw_on_missing=True)
    assert isinstance(plain, dict)
    return plain  # type: ignore[return-value]


def _with_usual_options(overrides: tuple[str, ...]) -> list[str]:
    """The same with an option of each group, in the groups' order; unchanged where that may differ."""
    if any(text.startswith(("experiment=", "debug=", "hydra", "+", "~")) for text in overrides):
        return list(overrides)
    main, _ = _loader()
    usual = {
        str(group): option
        for group, option in main.hydra.runtime.choices.items()
        if option is not None and not str(group).startswith("hydra")
    }
    chosen = [text for text in overrides if text.partition("=")[0] in usual]
    others = [text for text in overrides if text not in chosen]
    options = {**usual, **dict(text.split("=", 1) for text in chosen)}
    return [*(f"{group}={option}" for group, option in options.items()), *others]


@cache
def _loader() -> tuple[DictConfig, SweepLoader]:
    """The quick loader of a sweep's jobs: tests/config proves that it composes what Hydra composes."""
    from hydra._internal.config_loader_impl import ConfigLoaderImpl
    from hydra._internal.utils import create_config_search_path
    from hydra.core.utils import setup_globals
    from hydra.types import RunMode

    from abreast.config.sweep_loader import SweepLoader

    setup_globals()
    loader = ConfigLoaderImpl(create_config_search_path(str(CONF)))
    return loader.load_configuration("train", [], RunMode.MULTIRUN), SweepLoader(loader)


def jobs_of(sweep: Path) -> list[Path]:
    """The directories of a sweep's jobs, in the order of their numbers."""
    import yaml

    found = {
        yaml.safe_load(path.read_text())["hydra"]["job"]["num"]: path.parents[1]
        for path in sweep.rglob(".hydra/hydra.yaml")
    }
    assert sorted(found) == list(range(len(found)))
    return [found[number] for number in sorted(found)]


def options(group: str) -> list[str]:
    """The names of a group's options."""
    found = sorted(path.stem for path in (CONF / group).glob("*.yaml"))
    assert found, f"no options in conf/{group}"
    return found


def option(group: str, name: str) -> dict[str, Any]:
    """What the file of a group's option says, with the options of the group that it is based on.

    It is read without Hydra, which takes a tenth of a second for a configuration: for parameters of tests,
    which every process of the tests makes anew.
    """
    import yaml

    content: dict[str, Any] = yaml.safe_load((CONF / group / f"{name}.yaml").read_text())
    merged: dict[str, Any] = {}
    for base in content.pop("defaults", []):
        merged |= content if base == "_self_" else option(group, base)
    return merged or content


def same(a: Any, b: Any) -> bool:
    """Whether two nests of tensors and primitives are equal to the bit; nan is equal to nan."""
    import torch

    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and a.dtype == b.dtype and a.equal(b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b) or (a != a and b != b)
