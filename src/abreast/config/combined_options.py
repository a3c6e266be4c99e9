"""Configs of several options, from configs that Hydra composed with one option changed each."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf, flag_override

INTERPOLATED_DEFAULT = re.compile(r"^\s*- .*\$\{", re.MULTILINE)

Choices = Mapping[str, str]  # the option of each group


class CombinedOptions:
    """Combines options that change nothing but their own group's part of a config.

    Of the a * b * c configs of a losses, b optimizers and c data sets, Hydra composes 1 + (a - 1) + (b - 1) +
    (c - 1): that of the first combination, and those that differ from it in one group.

    Args:
        first: The options of the first combination.
        compose: Hydra's config of the options, composed once.
    """

    def __init__(self, first: Choices, compose: Callable[[Choices], DictConfig]) -> None:
        self.first = dict(first)
        self._compose = compose
        self._is_own: dict[tuple[str, str], bool] = {}  # by group and option
        self._others: dict[str, Any] = {}  # of the first combination, what is not a group's own

    def changed(self, choices: Choices) -> Choices | None:
        """The options that a combination changes in the first one; None where Hydra has to compose it.

        Args:
            choices: Options of the same groups as those of the first combination.
        """
        changed = {group: option for group, option in choices.items() if self.first[group] != option}
        if len(changed) < 2 or not all(self._changes_own(*item) for item in changed.items()):
            return None
        return changed

    def config(self, choices: Choices) -> DictConfig | None:
        """The config of a combination; None where Hydra has to compose it.

        Args:
            choices: Options of the same groups as those of the first combination.
        """
        changed = self.changed(choices)
        if changed is None:
            return None
        config = copy.deepcopy(self._compose(self.first))
        with flag_override(config, ["struct", "readonly"], False):
            for group, option in changed.items():
                config[group] = copy.deepcopy(self._one(group, option)[group])
                config.hydra.runtime.choices[group] = option
        return config

    def _one(self, group: str, option: str) -> DictConfig:
        """The config of the first combination with another option of one group."""
        return self._compose({**self.first, group: option})

    def _changes_own(self, group: str, option: str) -> bool:
        """Whether the option changes its group's part alone, and the record of what was chosen."""
        if (group, option) not in self._is_own:
            if group not in self._others:
                self._others[group] = _without(self._compose(self.first), group)
            others = _without(self._one(group, option), group)
            self._is_own[group, option] = others == self._others[group]
        return self._is_own[group, option]


def _without(config: DictConfig, group: str) -> Any:
    """The config as it is written, without the group's part and what records the choice."""
    content: Any = OmegaConf.to_container(config, resolve=False)
    content.pop(group, None)
    content["hydra"]["runtime"]["choices"].pop(group, None)
    content["hydra"]["overrides"]["task"] = []
    return list(content), content


def interpolates_defaults(folders: list[Path]) -> bool:
    """Whether a file of some config directories may choose options by those of other groups."""
    texts = (
        path.read_text(encoding="utf-8", errors="replace")
        for folder in folders
        for path in folder.rglob("*.yaml")
    )
    return any(map(INTERPOLATED_DEFAULT.search, texts))
