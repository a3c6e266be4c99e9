"""What a configuration from a run directory may build: networks, losses and data, and nothing else.

A run directory may come from a stranger, and a `_target_` names any callable there is.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import hydra.utils
from torch import nn

from abreast.data.source import Source
from abreast.errors import RunError
from abreast.targets import targets

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
