"""Checks every value of a sweep before it begins: the first job, and those with one other value."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from abreast.config.run_config import task_part
from abreast.config.sweep_loader import SweepLoader
from abreast.config.sweep_template import PlainJob
from abreast.errors import ConfigError, DataError
from abreast.validation.preflight import Stop, check, check_plain

MOST_VALUES = 200
MOST_MESSAGES = 10

Checked = dict[str, list[str]]  # messages by what was checked


@dataclass(frozen=True)
class Variant:
    """A job that shows a value of a sweep.

    Attributes:
        label: The values in which it differs from the first job.
        task: The run's part of its configuration, as plain data where Hydra need not compose it.
        hydra: Hydra's part.
    """

    label: str
    task: DictConfig | PlainJob
    hydra: Any

    @property
    def written(self) -> Any:
        """The run's part as plain data, with interpolations as they are written."""
        return OmegaConf.to_container(self.task) if isinstance(self.task, DictConfig) else self.task.written

    @property
    def resolved(self) -> Any:
        """The run's part as plain data; new each time."""
        task = self.task
        return OmegaConf.to_container(task, resolve=True) if isinstance(task, DictConfig) else task.task

    @property
    def choices(self) -> Mapping[str, Any]:
        """The option that is chosen of each group."""
        choices: Mapping[str, Any] = self.hydra["runtime"]["choices"]
        return choices

    def check(self, checked: Checked) -> None:
        """Check it.

        Args:
            checked: The messages for parts that variants have in common; new ones are added.

        Raises:
            ConfigError: With a line for each mistake.
        """
        if isinstance(self.task, DictConfig):
            check(self.task, self.hydra)
        else:
            check_plain(self.task.task, self.hydra, checked)


Check = Callable[[Variant], None]


def is_sound(variant: Variant, checking: Check) -> bool:
    """Whether a job has no mistake."""
    try:
        checking(variant)
    except (ConfigError, DataError):
        return False
    return True


def mistakes(variants: Sequence[Variant], checking: Check) -> str:
    """A line for each mistake in the jobs, after the value that causes it if not all jobs have it."""
    lines: dict[str, list[str]] = {}
    for variant in variants:
        try:
            checking(variant)
        except (ConfigError, DataError) as error:  # noqa: PERF203
            for line in str(error).split("\n"):
                lines.setdefault(line, []).append(variant.label)
    said = [f"{at[0]}: {line}" if at[0] and len(at) < len(variants) else line for line, at in lines.items()]
    more = [f"... and {len(said) - MOST_MESSAGES} more"] if len(said) > MOST_MESSAGES else []
    return "\n".join(said[:MOST_MESSAGES] + more)


def variants(config: DictConfig, values: Mapping[str, list[str]]) -> Iterator[Variant]:
    """The first job of a sweep over `values` (overrides by key), then those with one other value.

    Of n * m * ... jobs, n + m + ... show every value.

    Raises:
        Stop: For overrides that cannot be composed.
    """
    loader = GlobalHydra.instance().config_loader()
    first = {key: options[0] for key, options in values.items()}
    label = " ".join(first[key] for key, options in values.items() if len(options) > 1)
    base = _plain(loader, config, label, list(first.values())) or _composed(
        loader, config, label, list(first.values())
    )
    yield base
    changes = [(key, option) for key, options in values.items() for option in options[1:]]
    for key, option in changes[:MOST_VALUES]:
        overrides = list({**first, key: option}.values())
        yield (
            _plain(loader, config, option, overrides)
            or _changed(base, option)
            or _composed(loader, config, option, overrides)
        )


def _plain(loader: Any, config: DictConfig, label: str, overrides: list[str]) -> Variant | None:
    """The variant as plain data; None where Hydra has to compose it."""
    job = loader.plain_job(config, overrides) if isinstance(loader, SweepLoader) else None
    return None if job is None else Variant(label, job, job.hydra)


def _composed(loader: ConfigLoader, config: DictConfig, label: str, overrides: list[str]) -> Variant:
    try:
        job = loader.load_sweep_config(config, overrides)
    except Exception as error:
        raise Stop(error, overrides) from error
    return Variant(label, task_part(job), job.hydra)


def _changed(base: Variant, option: str) -> Variant | None:
    """The first job with another value of one key: composing takes several times as long."""
    if not isinstance(base.task, DictConfig):
        return None
    override = OverridesParser.create().parse_overrides([option])[0]
    before = OmegaConf.select(base.task, override.key_or_group, throw_on_resolution_failure=False)
    if before is None or isinstance(before, DictConfig):
        return None
    other = copy.deepcopy(base.task)
    OmegaConf.update(other, override.key_or_group, override.value(), merge=False)
    return Variant(option, other, base.hydra)
