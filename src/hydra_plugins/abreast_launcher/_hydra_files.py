"""Hydra's files in the directory of a job, `.hydra/*.yaml`, as `run_job` writes them, from plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf
from omegaconf._utils import get_omega_conf_dumper  # OmegaConf's own, for `to_yaml`

from abreast.config.types import Config

MOST_KEPT = 8192  # texts
LONGEST_KEY = 100  # characters; YAML writes longer keys in another form

Keys = tuple[str, ...]


class HydraFiles:
    """Writes the files of jobs that share most of their content: the text of each value is made once."""

    def __init__(self) -> None:
        self._texts: dict[tuple[Keys, str], str] = {}
        self._parts: dict[tuple[Keys, str], str] = {}  # of mappings whose values were known
        self._made = 0  # texts, of those that were not known

    def write(self, folder: Path, task: Config, hydra: Config, overrides: Sequence[str]) -> None:
        """Write the three files into a folder that exists.

        Args:
            folder: The folder.
            task: The run's part of the config, as it is written.
            hydra: Hydra's part.
            overrides: The job's overrides.
        """
        contents = {"config": task, "hydra": {"hydra": hydra}, "overrides": list(overrides)}
        for name, content in contents.items():
            (folder / f"{name}.yaml").write_text(self.text((), content), encoding="utf-8")

    def text(self, keys: Keys, node: Any) -> str:
        """The lines of a node below these keys, as in the YAML of the whole."""
        if isinstance(node, Mapping) and node and all(map(_is_short, node)):
            part = (keys, repr(node) if keys else "")
            if part in self._parts:
                return self._parts[part]
            made = self._made
            lines = [self.text((*keys, key), value) for key, value in node.items()]
            text = self._head(keys) + "".join(lines)
            if keys and self._made == made:  # the same values have been there before
                if len(self._parts) == MOST_KEPT:
                    self._parts.clear()
                self._parts[part] = text
            return text
        if isinstance(node, list) and node and all(map(_is_word, node)):
            indent = "  " * (len(keys) - 1)
            return self._head(keys) + "".join(indent + self._text((), [item]) for item in node)
        return self._lines(keys, node, len(keys) - 1)

    def _head(self, keys: Keys) -> str:
        """The line of the last key, whose value has lines of its own."""
        return self._lines(keys, {"key": 0}, len(keys) - 1).partition("\n")[0] + "\n" if keys else ""

    def _lines(self, keys: Keys, node: Any, skipped: int) -> str:
        """The YAML of a node below these keys, without so many lines of the keys."""
        if keys and _is_word(node):  # never broken into lines, whose length would depend on the indent
            return "  " * (len(keys) - 1) + self._text(keys[-1:], node)
        return "".join(self._text(keys, node).splitlines(keepends=True)[max(0, skipped) :])

    def _text(self, keys: Keys, node: Any) -> str:
        """The YAML of a node below these keys."""
        kept = (keys, repr(node))
        if kept not in self._texts:
            if len(self._texts) == MOST_KEPT:
                self._texts.clear()
            self._made += 1
            write = _dump if _is_as_it_is(node) else OmegaConf.to_yaml
            for key in reversed(keys):
                node = {key: node}
            self._texts[kept] = write(node)
        return self._texts[kept]


def _dump(node: Any) -> str:
    """The YAML of what is written as it is, in a tenth of the time that making a config of it takes."""
    dumper = get_omega_conf_dumper()
    return str(yaml.dump(node, default_flow_style=False, allow_unicode=True, sort_keys=False, Dumper=dumper))


def _is_as_it_is(node: object) -> bool:
    """Whether OmegaConf reads nothing into the value: no interpolation, and not that it is missing."""
    if isinstance(node, list):
        return len(node) == 1 and not isinstance(node[0], list) and _is_as_it_is(node[0])
    if type(node) is str:
        return not ("$" in node or "\\" in node or "???" in node)
    return node is None or type(node) in (int, float, bool)


def _is_word(node: object) -> bool:
    return not isinstance(node, list | Mapping) and not any(map(str.isspace, str(node)))


def _is_short(key: object) -> bool:
    return isinstance(key, str) and len(key) < LONGEST_KEY
