"""What is to be decided, read from the command line and checked before anything trains."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig, OmegaConf

from abreast.build.data_fit import FitCheck
from abreast.config.override_keys import key_of
from abreast.config.run_config import finished_config
from abreast.config.run_id import run_id
from abreast.config.types import is_whole
from abreast.errors import ConfigError
from abreast.metrics.margin import read_margin
from abreast.metrics.registry import asking_for, bounds, direction
from abreast.statistics.sequential import FIRST_WAVE, wave_ends
from abreast.study.criteria import choose_test_metric
from abreast.study.overrides import CommandLine, override, parse_command_line
from abreast.study.protocol import METRICS, asks_for_metrics
from abreast.suggestions import did_you_mean, listed
from abreast.validation.preflight import overrides_of
from abreast.validation.variants import mistakes, variants

SWEEPER = "hydra.sweeper"
KEYS = ("margin", "max_seeds", "first_seed", "metric")
EXAMPLE = "abreast decide loss=cross_entropy,mse optim=adam margin=0.005"
MOST_FIRST_SEED = 2**31
DATA = "data"  # the group whose options are different tasks


@dataclass(frozen=True)
class DecideProtocol:
    """Two settings, what counts as a difference between them, and the budget.

    Attributes:
        settings: The override of each setting: the second is compared with the first.
        fixed: Overrides of every run.
        margin: The smallest difference that matters, in the unit of the metric.
        max_seeds: The most seeds to train.
        first_seed: The first seed.
        metric: What is compared, such as `test/accuracy`.
    """

    settings: tuple[str, str]
    fixed: tuple[str, ...]
    margin: float
    max_seeds: int
    first_seed: int
    metric: str

    @property
    def higher_is_better(self) -> bool:
        """Direction of the metric."""
        return direction(self.metric) == "max"

    @property
    def largest_difference(self) -> float:
        """The largest difference that the metric can have; infinite where it has no bounds."""
        low, high = bounds(self.metric)
        return math.inf if low is None or high is None else high - low

    def waves(self) -> list[tuple[int, ...]]:
        """List the seeds of each wave."""
        ends = [0, *wave_ends(self.max_seeds)]
        return [tuple(range(self.first_seed + start, self.first_seed + end)) for start, end in pairwise(ends)]

    def runs(self, seeds: Sequence[int]) -> list[list[str]]:
        """Return the overrides of a wave's runs: seed by seed, the first setting before the second."""
        return [
            [*self.fixed, setting, f"seed={seed}", "test=true"] for seed in seeds for setting in self.settings
        ]


def read_decide_protocol(config: DictConfig, loader: ConfigLoader) -> DecideProtocol:
    """Read and check what the multirun of a configuration is to decide.

    Args:
        config: The configuration of the multirun.
        loader: Hydra's loader.

    Raises:
        ConfigError: With a line for each mistake.
        Stop: If the overrides of a setting cannot be composed.
    """
    node = cast("Mapping[str, object]", OmegaConf.to_container(config.hydra.sweeper, resolve=True))
    advice = "decide compares two values; write them out: {key}=1,2"
    command_line = parse_command_line(overrides_of(config.hydra), loader, advice)
    problems = [*_unknown_keys(node), *_reserved(command_line), *_wrong_numbers(node, command_line)]
    if OmegaConf.select(config, "hydra.launcher.halving") is not None:
        problems.append("hydra.launcher.halving: drops runs, and decide compares all; leave it out")
    settings = _settings(command_line, problems)
    if problems:
        raise ConfigError("\n".join(problems))
    assert settings is not None
    fixed = tuple(command_line.fixed.values())
    metric = _check(config, settings, fixed, node.get("metric"))
    margin = read_margin(f"{SWEEPER}.margin", node["margin"], metric)
    max_seeds, first_seed = (int(cast("int", node[key])) for key in ("max_seeds", "first_seed"))
    return DecideProtocol(settings, fixed, margin, max_seeds, first_seed, metric)


def _unknown_keys(node: Mapping[str, object]) -> list[str]:
    return [
        f"{SWEEPER}.{key}: unknown key. decide has {listed(KEYS)}"
        f"{did_you_mean(str(key), KEYS, f'{SWEEPER}.{{}}')}"
        for key in node
        if key not in KEYS and key != "_target_"
    ]


def _reserved(command_line: CommandLine) -> list[str]:
    keys = {*command_line.fixed, *map(key_of, command_line.swept)}
    fixes = {
        "seed": f"decide trains seed after seed; the first is {SWEEPER}.first_seed",
        "test": "decide compares test metrics, so every run is tested",
    }
    return [f"{key}: {fix}. Leave it out" for key, fix in fixes.items() if key in keys]


def _wrong_numbers(node: Mapping[str, object], command_line: CommandLine) -> list[str]:
    problems = []
    try:
        read_margin(f"{SWEEPER}.margin", node.get("margin"))
    except ConfigError as error:
        problems.append(str(error))
    most = node.get("max_seeds")
    if not is_whole(most, FIRST_WAVE):
        problems.append(
            f"{SWEEPER}.max_seeds: must be an integer of at least {FIRST_WAVE}, as no difference of "
            f"fewer seeds is certain enough; got {most}"
        )
    first = node.get("first_seed")
    if not is_whole(first) or first > MOST_FIRST_SEED:
        problems.append(f"{SWEEPER}.first_seed: must be an integer from 0 to 2**31, got {first}")
    metric = node.get("metric")
    name = str(metric).removeprefix("test/")
    if metric is not None and name not in METRICS and not asks_for_metrics(command_line):
        near = did_you_mean(name, METRICS) or asking_for(name)
        problems.append(f"{SWEEPER}.metric: must be one of {listed(METRICS)}, got {metric}{near}")
    return problems


def _settings(command_line: CommandLine, problems: list[str]) -> tuple[str, str] | None:
    """The overrides of the two settings."""
    swept = {
        key: values for key, values in command_line.swept.items() if key.lstrip("+") not in ("seed", "test")
    }
    several = "for settings that differ in several keys write two experiment files: experiment=a,b"
    if not swept:
        problems.append(f"decide compares two values of a key, and none has two; write {EXAMPLE}; {several}")
    elif len(swept) > 1:
        problems.append(f"decide compares two values of one key, got several of {listed(swept)}; {several}")
    else:
        ((key, values),) = swept.items()
        lines = [override(key, value) for value in values]
        if len(lines) == 2 and key != DATA:
            return lines[0], lines[1]
        if key == DATA:
            problems.append(f"{key}: results on different data are not comparable; compare another key")
        else:
            problems.append(
                f"{key}: decide compares two values, got {len(lines)}; for more train a sweep with several "
                "seeds (python train.py -m ... seed=range(5)) and compare it with abreast report, or run a "
                "study (python train.py -m +study=...)"
            )
    return None


def _check(config: DictConfig, settings: tuple[str, str], fixed: Sequence[str], requested: object) -> str:
    """Compose and check the two settings, and return the metric that they are compared by."""
    values = {key_of(line): [line] for line in fixed}
    values |= {key_of(settings[0]): list(settings), "seed": ["seed=0"], "test": ["test=true"]}
    shown = list(variants(config, values))
    message = mistakes(shown, FitCheck().check_variant)
    if message:
        raise ConfigError(message)
    plain = [finished_config(variant.resolved, variant.choices) for variant in shown]
    if run_id(plain[0]) == run_id(plain[1]):
        raise ConfigError(
            f"{settings[0]} and {settings[1]} are the same settings: their runs would be identical"
        )
    name = None if requested is None else str(requested).removeprefix("test/")
    return choose_test_metric(name, dict(zip(settings, plain, strict=True)), "settings")
