"""Whether this machine has the kind of device that a run asks for, without importing torch."""

from __future__ import annotations

import ast
import ctypes
import os
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

FIX = "write trainer.accelerator=auto, or cpu"


def check_accelerator(config: Mapping[str, Any]) -> Iterator[str]:
    """A message where `trainer.accelerator` names a kind of device that is certainly not there."""
    trainer = config.get("trainer")
    name = trainer.get("accelerator") if isinstance(trainer, Mapping) else None
    reason = _missing(name) if isinstance(name, str) else None
    if reason is not None:
        yield f"trainer.accelerator: {name} cannot be used here: {reason}; {FIX}"


def _missing(name: str) -> str | None:
    """Why a kind of device is not there; None where it is, or only torch could tell."""
    is_mac = sys.platform == "darwin"
    if name == "mps" or (name == "gpu" and is_mac):
        return None if is_mac else "only Macs have it"
    if name == "tpu":
        return None if find_spec("torch_xla") else "torch_xla is not installed"
    if name not in ("gpu", "cuda"):
        return None
    builds = _builds()
    if builds is not None and not any(builds.values()):
        return "this build of torch is for CPUs alone"
    if os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1"):
        return "CUDA_VISIBLE_DEVICES hides every GPU"
    if sys.platform == "linux" and builds is not None and builds.get("cuda") and not _has_driver():
        return "there is no NVIDIA driver"
    return None


def _builds() -> dict[str, object] | None:
    """What the installed torch is built for, `cuda` and `hip`, by its file `version.py`; None if unknown."""
    spec = find_spec("torch")
    if spec is None or spec.origin is None:
        return None
    return _versions(Path(spec.origin).with_name("version.py"))


@cache
def _versions(file: Path) -> dict[str, object] | None:
    try:
        statements = ast.parse(file.read_text(encoding="utf-8")).body
    except (OSError, SyntaxError, ValueError):
        return None
    values: dict[str, object] = {}
    for statement in statements:
        match statement:
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.Constant(value=value)):
                values[name] = value
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=value)):
                values[name] = value
    return {name: values[name] for name in ("cuda", "hip") if name in values} or None


@cache
def _has_driver() -> bool:
    """Whether the driver's library can be loaded. Initialised, it would not work in forked processes."""
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True
