"""What the jobs of a sweep share, as plain data: a job is a copy of it with its values put in. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf

from abreast.config.types import Config

Value = str | int | float | bool | None | list[Any]


class SweepTemplate:
    """A composed configuration whose keys are set to values, job by job, in plain data.

    Args:
        config: What Hydra composes of the options that the jobs choose. Not changed.

    Attributes:
        is_plain: Whether jobs can be made of it: the run's part has no interpolation, whose value might
            depend on a key that a job sets.
        task: The run's part, without Hydra's, as it is written.
        hydra: Hydra's part, as it is written.
    """

    def __init__(self, config: DictConfig) -> None:
        tree: Any = OmegaConf.to_container(config, resolve=False, enum_to_str=True)
        self.hydra: Config = tree.pop("hydra")
        self.task: Config = tree
        self.is_plain = not _interpolates(tree)
        self._scratch: DictConfig = OmegaConf.masked_copy(config, [str(key) for key in tree])
        self._converted: dict[str, Value] = {}  # by key and value

    def convert(self, values: Mapping[str, object]) -> dict[str, Value] | None:
        """The values as the keys' types make them; None where a job needs Hydra to compose it.

        Raises:
            Exception: As Hydra does, for a key that does not exist, or a value that does not fit its type.
        """
        converted = {}
        for key, value in values.items():
            text = f"{key}={value!r}"
            if text not in self._converted:
                if not self.is_plain or not _is_simple(value) or not self._is_leaf(key):
                    return None
                OmegaConf.update(self._scratch, key, value, merge=True)
                result: Any = OmegaConf.select(self._scratch, key)
                if OmegaConf.is_list(result):
                    result = OmegaConf.to_container(result)
                if not _is_simple(result):
                    return None
                self._converted[text] = result
            converted[key] = self._converted[text]
        return converted

    def job(self, values: Mapping[str, Value]) -> Config:
        """A copy of the run's part with the converted values."""
        task: Config = _copied(self.task)
        for key, value in values.items():
            *path, name = key.split(".")
            node = task
            for part in path:
                node = node[part]
            node[name] = _copied(value)
        return task

    def _is_leaf(self, key: str) -> bool:
        """Whether the key holds one value, or a list of values, in the run's part."""
        node: Any = self.task
        for name in key.split("."):
            if not isinstance(node, dict) or name not in node:
                return False
            node = node[name]
        return _is_simple(node)


def _is_simple(value: object) -> bool:
    """Whether it is a value of YAML, or a list of such, and no interpolation."""
    if isinstance(value, list):
        return all(not isinstance(item, list) and _is_simple(item) for item in value)
    return value is None or (type(value) in (str, int, float, bool) and "${" not in str(value))


def _interpolates(node: object) -> bool:
    if isinstance(node, Mapping):
        return any(map(_interpolates, node.values()))
    if isinstance(node, Sequence) and not isinstance(node, str):
        return any(map(_interpolates, node))
    return isinstance(node, str) and "${" in node


def _copied(node: Any) -> Any:
    """A copy of nested mappings and lists; of plain data, in a tenth of `copy.deepcopy`'s time."""
    if isinstance(node, dict):
        return {key: _copied(value) if type(value) in (dict, list) else value for key, value in node.items()}
    return [_copied(value) for value in node] if isinstance(node, list) else node
