"""The interpolations in what the jobs of a sweep share, resolved job by job as OmegaConf does. No torch."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from abreast.config.types import Config

REFERENCE = re.compile(r"\$\{\s*(\.*)([^${}:,]*)(:?)")
OF_ARGUMENTS = ("abreast.sklearn_task", "oc.env", "oc.decode")  # look at nothing but their arguments
RESOLVERS = (*OF_ARGUMENTS, "oc.select")  # whose values are the same whenever they are asked for


def interpolations(node: object, key: str = "") -> Iterator[tuple[str, str]]:
    """The keys whose values are interpolations, each with its text; those within lists are the list's."""
    if isinstance(node, Mapping):
        for name, value in node.items():
            yield from interpolations(value, f"{key}.{name}" if key else str(name))
    elif isinstance(node, list):
        texts = [text for item in node for _, text in interpolations(item)]
        if texts:
            yield key, " ".join(texts)
    elif isinstance(node, str) and "${" in node:
        yield key, node


def can_resolve(text: str) -> bool:
    """Whether an interpolation depends on nothing but the run's part of the configuration.

    >>> can_resolve("${optim.lr}"), can_resolve("${hydra:job.num}"), can_resolve("${now:%Y}")
    (True, False, False)
    """
    references = REFERENCE.findall(text)
    return all(name.strip() in RESOLVERS for _, name, colon in references if colon)


def depends_on_group(key: str, text: str) -> bool:
    """Whether an interpolation refers to nothing but its group's part of the configuration.

    >>> depends_on_group("data.task", "${abreast.sklearn_task:${.name}}")
    True
    >>> depends_on_group("data.task", "${..seed}")
    False
    """
    depth = key.count(".")
    return all(
        name.strip() in OF_ARGUMENTS and not dots if colon else 0 < len(dots) <= depth
        for dots, name, colon in REFERENCE.findall(text)
    )


class Resolver:
    """Resolves interpolations as OmegaConf does, for one job after another.

    Args:
        config: What the jobs share; changed.
        written: The same as plain data.
    """

    def __init__(self, config: DictConfig, written: Config) -> None:
        self._config = config
        self._written = written
        self._changed: set[str] = set()

    def set(self, key: str, value: Any) -> Any:
        """Set a key, and return the value that its type makes of it; plain data."""
        self._changed.add(key)
        OmegaConf.update(self._config, key, value, merge=True)
        return self.value(key)

    def value(self, key: str) -> Any:
        """The resolved value of a key, as plain data."""
        result: Any = OmegaConf.select(self._config, key)
        return OmegaConf.to_container(result, resolve=True) if OmegaConf.is_config(result) else result

    def begin(self, values: Mapping[str, Any]) -> None:
        """Begin another job: all but these keys are as they are written."""
        for key in self._changed - values.keys():
            OmegaConf.update(self._config, key, _select(self._written, key), merge=True)
        for key, value in values.items():
            OmegaConf.update(self._config, key, value, merge=True)
        self._changed = {*values}


def _select(node: Any, key: str) -> Any:
    for name in key.split("."):
        node = node[name]
    return node
