"""The engines by name."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from abreast.errors import ConfigError
from hydra_plugins.abreast_launcher.engines import joblib, local, ray, submitit
from hydra_plugins.abreast_launcher.engines.work import WorkItem

if TYPE_CHECKING:
    from abreast.stacking.build import Outcome

# Trains work items by so many workers, with the engine's settings. Gives each one's outcomes, or the
# exception that stopped it, in order.
Engine = Callable[[Sequence[WorkItem], int, dict[str, Any]], "Iterator[list[Outcome] | Exception]"]

LOCAL = "none"
ENGINES: dict[str, Engine] = {
    LOCAL: local.run,
    "joblib": joblib.run,
    "submitit": submitit.run,
    "ray": ray.run,
}


def choose_engine(name: str) -> Engine:
    """The engine of that name.

    Raises:
        ConfigError: It is unknown, or what it requires is not installed.
    """
    if name not in ENGINES:
        raise ConfigError(f"hydra.launcher.engine={name}: must be one of {', '.join(ENGINES)}")
    if name != LOCAL:
        try:
            importlib.import_module(name)
        except ImportError:
            raise ConfigError(
                f"hydra.launcher.engine={name} requires {name}: pip install 'abreast[{name}]'"
            ) from None
    return ENGINES[name]
