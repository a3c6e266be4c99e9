"""Composing a configuration as the command line does."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
CONF = ROOT / "conf"


def program_environment(**more: str) -> dict[str, str]:
    """The environment of a process that runs a module of the tests, such as `python -m support.killing`."""
    return {**os.environ, "PYTHONPATH": str(ROOT / "tests"), **more}


def compose(*overrides: str) -> dict[str, Any]:
    """The configuration that the command line would give, as plain data."""
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from omegaconf import OmegaConf

    with initialize_config_dir(str(CONF)):
        cfg = hydra_compose("train", overrides=list(overrides))
    plain = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    assert isinstance(plain, dict)
    return plain  # type: ignore[return-value]


def jobs_of(sweep: Path) -> list[Path]:
    """The directories of a sweep's jobs, in the order of their numbers."""
    import yaml

    found = {
        yaml.safe_load(path.read_text())["hydra"]["job"]["num"]: path.parents[2]
        for path in sweep.rglob(".hydra/hydra.yaml")
    }
    assert sorted(found) == list(range(len(found)))
    return [found[number] for number in sorted(found)]


def options(group: str) -> list[str]:
    """The names of a group's options."""
    found = sorted(path.stem for path in (CONF / group).glob("*.yaml"))
    assert found, f"no options in conf/{group}"
    return found


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
