"""A sweep's jobs composed from what they share: Hydra reads and merges all files again for each job."""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.plugins.sweeper import Sweeper
from omegaconf import DictConfig, OmegaConf

from abreast.config.combined_options import Choices, CombinedOptions, interpolates_defaults
from abreast.config.job_names import name_directory, shorten_override_dirname
from abreast.config.override_keys import is_of_hydra, key_of
from abreast.config.sweep_overrides import before, meet, of_sweep, sweep_key, written
from abreast.config.sweep_template import PlainJob, SweepTemplate

SETS = re.compile(r"(?!hydra\.)([A-Za-z_]\w*(?:\.\w+)*)=")
SUBDIR = "hydra.sweep.subdir="
OPTION = re.compile(r"(?!null$)[A-Za-z]\w*")
MOST_KEPT = 512  # configs, one for each choice of options
MOST_TEMPLATES = 8192  # for each choice of options, with most of their content in common
MOST_VALUES = 4096  # overrides that were parsed


def leave_composing_to_launcher() -> None:
    """Let sweepers leave composing to a launcher that `composes_jobs`: the mistakes it finds are the same."""
    if getattr(Sweeper.validate_batch_is_legal, "by_launcher", False):
        return
    validate = Sweeper.validate_batch_is_legal

    def validate_batch_is_legal(self: Any, batch: Sequence[Sequence[str]]) -> None:
        if not getattr(getattr(self, "launcher", None), "composes_jobs", False):
            validate(self, batch)

    validate_batch_is_legal.by_launcher = True  # type: ignore[attr-defined]
    Sweeper.validate_batch_is_legal = validate_batch_is_legal  # type: ignore[method-assign]


class SweepLoader:
    """Hydra's loader, with the jobs of a sweep in a tenth of the time and just as Hydra makes them.

    Jobs that choose the same options share the config that Hydra composes of these; a job is a copy of it
    with its values set. An override that is more than `key=value` is left to Hydra, and so is a job
    that cannot be made, for Hydra's message.
    """

    def __init__(self, loader: ConfigLoader) -> None:
        self._loader = loader
        self._kept: dict[tuple[str, ...], DictConfig] = {}
        self._templates: dict[tuple[str, ...], SweepTemplate] = {}  # as the configs
        self._values: dict[str, tuple[str, Any] | None] = {}  # by the override
        self._combinations: dict[tuple[str, ...], CombinedOptions] = {}  # by groups and other overrides

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
        config = config or self._loader.load_sweep_config(master_config, sweep_overrides)
        shorten_override_dirname(config)
        name_directory(master_config, config, sweep_overrides)
        return config

    def _from_common(self, master: DictConfig, overrides: Sequence[str]) -> DictConfig | None:
        divided = self._divide(master, overrides)
        if divided is None:
            return None
        others, values = divided
        config = copy.deepcopy(self._common(master, others))
        for key, value in values:
            OmegaConf.update(config, key, value, merge=True)
        task = [override for override in overrides if not is_of_hydra(override)]
        config.hydra.overrides.task = task
        OmegaConf.copy_cache(from_config=master, to_config=config)
        return config

    def plain_job(self, master: DictConfig, overrides: Sequence[str]) -> PlainJob | None:
        """The job as plain data; None where Hydra has to compose it.

        Hydra also says what is wrong with overrides that are a mistake: for these it is None, too.
        """
        try:
            divided = self._divide(master, overrides)
            if divided is None:
                return None
            return self._template(master, divided[0]).plain_job(dict(divided[1]))
        except Exception:
            return None

    def _divide(
        self, master: DictConfig, overrides: Sequence[str]
    ) -> tuple[list[str], list[tuple[str, Any]]] | None:
        """The overrides that Hydra composes, then the keys that are only set, each with its value."""
        if OmegaConf.select(master, "hydra.searchpath"):
            return None  # where there may be more groups
        texts = [override for override in overrides if self._sets(override)]  # the last of a key wins
        others = [override for override in overrides if not self._sets(override)]
        paths = [key_of(override) for override in others if not self._chooses(override)]
        if any(meet(path, key) for path in paths for key in map(self._sets, texts)):
            return None  # their order counts
        values = [self._parsed(text) for text in texts]
        return None if any(value is None for value in values) else (others, [v for v in values if v])

    def _parsed(self, text: str) -> tuple[str, Any] | None:
        """The key and the value of an override that only sets one; None for a sweep over several."""
        if text not in self._values:
            if len(self._values) == MOST_VALUES:
                self._values.clear()
            override = OverridesParser.create().parse_overrides([text])[0]
            is_sweep = override.is_sweep_override()
            self._values[text] = None if is_sweep else (override.key_or_group, override.value())
        return self._values[text]

    def _sets(self, override: str) -> str:
        """The key that the override sets to a value, and does nothing else; or nothing."""
        match = SETS.match(override)
        return match[1] if match and match[1] not in self._groups else ""

    def _chooses(self, override: str) -> bool:
        """Whether the override chooses an option, which Hydra does before it sets any value."""
        match = SETS.match(override)
        return match is not None and match[1] in self._groups and "{" not in override

    def _common(self, master: DictConfig, overrides: list[str]) -> DictConfig:
        key = sweep_key(of_sweep(master), overrides)
        if key not in self._kept:
            combination = self._combination(master, overrides, of_sweep(master))
            config = combination and combination[0].config(combination[1])
            config = config or self._loader.load_sweep_config(master, overrides)
            if len(self._kept) >= MOST_KEPT:
                self._kept.clear()
            self._kept[key] = config
        return self._kept[key]

    def _template(self, master: DictConfig, overrides: list[str]) -> SweepTemplate:
        key = sweep_key(of_sweep(master), overrides)
        if key not in self._templates:
            template = (
                self._in_directory(master, overrides)
                or self._earlier(master, overrides)
                or self._combined(master, overrides)
                or SweepTemplate(self._common(master, overrides))
            )
            if len(self._templates) >= MOST_TEMPLATES:
                self._templates.clear()
            self._templates[key] = template
        return self._templates[key]

    def _in_directory(self, master: DictConfig, overrides: list[str]) -> SweepTemplate | None:
        """The template of jobs that Hydra's part of the config tells where to be kept, and nothing else."""
        of_hydra = [text for text in overrides if is_of_hydra(text)]
        if len(of_hydra) != 1 or not of_hydra[0].startswith(SUBDIR):
            return None
        override = OverridesParser.create().parse_overrides(of_hydra)[0]
        name = override.value()
        if override.is_sweep_override() or not isinstance(name, str):
            return None
        others = [text for text in overrides if text != of_hydra[0]]
        return self._template(master, others).in_directory(name, of_hydra[0])

    def _earlier(self, master: DictConfig, overrides: list[str]) -> SweepTemplate | None:
        """The template that was made before the sweep's directory was chosen, in that directory."""
        earlier = self._templates.get(sweep_key(before(master), overrides))
        if earlier is None or any(is_of_hydra(text) for text in overrides):
            return None
        hydra: Any = OmegaConf.to_container(master.hydra, resolve=False)
        return earlier.in_sweep(hydra["sweep"]["dir"], hydra["overrides"]["hydra"])

    def _combined(self, master: DictConfig, overrides: list[str]) -> SweepTemplate | None:
        """The template of several options, from those of one each; None where Hydra has to compose it."""
        combination = self._combination(master, overrides, before(master))
        if combination is None:
            return None
        options, choices = combination
        changed = options.changed(choices)
        if changed is None:
            return None
        others = [override for override in overrides if not self._chooses(override)]
        first, *parts = (
            self._template(master, written({**options.first, **choice}, others))
            for choice in ({}, *({group: option} for group, option in changed.items()))
        )
        return first.combined(dict(zip(changed, parts, strict=True)))

    def _combination(
        self, master: DictConfig, overrides: list[str], sweep: tuple[str, ...]
    ) -> tuple[CombinedOptions, dict[str, str]] | None:
        """The options that overrides choose, and the combinations of such; None where there are none."""
        chosen = [override.split("=", 1) for override in overrides if self._chooses(override)]
        choices = {group: option for group, option in chosen if OPTION.fullmatch(option)}
        if len(choices) < 2 or len(choices) < len(chosen) or self._interpolates_defaults:
            return None
        others = [override for override in overrides if not self._chooses(override)]
        kind = (*sweep_key(sweep, []), *choices, "", *others)
        if kind not in self._combinations:
            self._combinations[kind] = CombinedOptions(choices, partial(self._of_options, master, others))
        return self._combinations[kind], choices

    def _of_options(self, master: DictConfig, others: list[str], choices: Choices) -> DictConfig:
        return self._common(master, written(choices, others))

    @cached_property
    def _interpolates_defaults(self) -> bool:
        paths = [source.path for source in self._loader.get_sources() if source.scheme() == "file"]
        return interpolates_defaults([Path(path) for path in paths])
