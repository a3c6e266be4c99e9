"""A sweep's jobs composed from what they share: Hydra reads and merges all files again for each job."""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

SETS = re.compile(r"(?!hydra\.)([A-Za-z_]\w*(?:\.\w+)*)=")
MOST_KEPT = 256  # configs, one for each choice of options


class SweepLoader:
    """Hydra's loader, with the jobs of a sweep in a tenth of the time and just as Hydra makes them.

    Jobs that choose the same options share the config that Hydra composes of these; a job is a copy of it
    with its values set. An override that is more than `key=value` is left to Hydra, and so is a job
    that cannot be made, for Hydra's message.
    """

    def __init__(self, loader: ConfigLoader) -> None:
        self._loader = loader
        self._kept: dict[tuple[str, ...], DictConfig] = {}

    def __getattr__(self, name: str) -> Any:
        if name == "_loader":  # not there yet while it is unpickled
            raise AttributeError(name)
        return getattr(self._loader, name)

    @cached_property
    def _groups(self) -> set[str]:
        return set(self._loader.list_groups(""))

    def load_sweep_config(self, master_config: DictConfig, sweep_overrides: list[str]) -> DictConfig:
        """The job of the sweep `master_config` that has these overrides."""
        try:
            config = self._from_common(master_config, sweep_overrides)
        except Exception:  # a mistake, which Hydra knows how to tell
            config = None
        return config or self._loader.load_sweep_config(master_config, sweep_overrides)

    def _from_common(self, master: DictConfig, overrides: Sequence[str]) -> DictConfig | None:
        if OmegaConf.select(master, "hydra.searchpath"):
            return None  # where there may be more groups
        values = [override for override in overrides if self._sets(override)]  # the last of a key wins
        others = [override for override in overrides if not self._sets(override)]
        paths = [_path(override) for override in others if not self._chooses(override)]
        if any(_meet(path, key) for path in paths for key in map(self._sets, values)):
            return None  # their order counts
        config = copy.deepcopy(self._common(master, others))
        for override in OverridesParser.create().parse_overrides(values):
            if override.is_sweep_override():
                return None
            OmegaConf.update(config, override.key_or_group, override.value(), merge=True)
        task = [override for override in overrides if not _path(override).startswith(("hydra.", "hydra/"))]
        config.hydra.overrides.task = task
        OmegaConf.copy_cache(from_config=master, to_config=config)
        return config

    def _sets(self, override: str) -> str:
        """The key that the override sets to a value, and does nothing else; or nothing."""
        match = SETS.match(override)
        return match[1] if match and match[1] not in self._groups else ""

    def _chooses(self, override: str) -> bool:
        """Whether the override chooses an option, which Hydra does before it sets any value."""
        match = SETS.match(override)
        return match is not None and match[1] in self._groups and "{" not in override

    def _common(self, master: DictConfig, overrides: list[str]) -> DictConfig:
        hydra = master.hydra
        of_sweep = map(str, OmegaConf.to_container(hydra.overrides.hydra, resolve=False) or ())
        key = (str(hydra.job.config_name), *of_sweep, "", *overrides)
        if key not in self._kept:
            if len(self._kept) == MOST_KEPT:
                self._kept.clear()
            self._kept[key] = self._loader.load_sweep_config(master, overrides)
        return self._kept[key]


def _path(override: str) -> str:
    return override.partition("=")[0].lstrip("+~")


def _meet(one: str, other: str) -> bool:
    """Whether one of two keys is the other or holds it."""
    return f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}.")
