"""What of a foreign run's settings is its seed, and what counts as a setting."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from abreast.config.identity import Scalar
from abreast.errors import RunError
from abreast.metrics.registry import Mode
from abreast.report.readers.foreign_run import ForeignRun
from abreast.report.readers.metric_names import split_stage
from abreast.report.readers.run_ids import tells_apart
from abreast.runtime.printable import printable
from abreast.suggestions import did_you_mean, listed

SEEDS = (
    *("seed", "random_seed", "random_state", "rng_seed", "manual_seed", "global_seed"),
    *("seed_everything", "rng"),
)
# What repeats are counted by. Each is the seed only where its numbers come again under other settings: else
# it numbers the runs.
REPEATS = (
    *("rep", "repeat", "repetition", "replicate", "replication", "run", "run_number", "trial", "trial_id"),
    *("run_id", "run_idx", "rep_id", "restart", "init", "split", "split_id", "seed_id", "seed_idx"),
)
# Results on several of these are not compared.
DATA = (
    *(
        "data",
        "dataset",
        "data_set",
        "dataset_name",
        "dataset_id",
        "data_name",
        "data_id",
        "task",
        "task_name",
    ),
    *("task_id", "benchmark", "game", "domain", "corpus", "problem", "test_problem", "testproblem"),
    *("env", "env_id", "env_name", "environment"),
)
# What is compared, by its name.
METHODS = re.compile(
    r"(.*_)?(model|method|arch|architecture|backbone|network|net|encoder|decoder|optimi[sz]er|optim|algorithm|"
    r"algo|agent|policy|strategy|approach|variant|estimator|classifier|loss|activation|scheduler|kernel|"
    r"prompt|template|instruction)s?(_?(name|type|kind|class|id|version))?"
)
NEITHER = re.compile(
    r"(.*_)?(run_?id|run_?name|uuid|guid|timestamp|date(time)?(_.*)?|created(_at)?|updated|host(name)?|"
    r"user(name)?|log_?dir|output_?dir|save_?dir|checkpoint_?(dir|path)|device|num_workers|comments?|notes?|"
    r"remarks?|tags|sweep|typ|rev|executor|git_?(hash|commit|sha)|commit|_?wandb.*|pid|process_id|node_ip|ip|experiment_tag|"
    r"trial_name|last_submission|submission_?(date|count)|p_?val(ue)?|significan(t|ce)|delta_(vs|to|over)_.*|"
    r"difference(_.*)?|improvement(_.*)?|training_iteration|iterations_since_restore|should_checkpoint|done|"
    r"system_attrs.*|number_of_(training|testing)_instances)",
    re.IGNORECASE,
)
_PREFIX = re.compile(r"(user_attrs?|system_attrs?|params?|config|hparams?|args|key|meta)_")


@lru_cache(maxsize=10_000)
def base_name(key: str) -> str:
    """The last part of a key in lower case, its words joined by `_`, without what tools put before names.

    >>> base_name("config/seed"), base_name("RandomSeed"), base_name("user_attrs_seed"), base_name("Key_Run")
    ('seed', 'random_seed', 'seed', 'run')
    """
    last = re.split(r"[./]", key)[-1]
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", last)
    return _PREFIX.sub("", re.sub(r"[\s\-_]+", "_", words.strip()).lower(), count=1)


@dataclass(frozen=True)
class Choices:
    """What the user says of runs that others trained.

    Attributes:
        metric: What to compare by; None: chosen.
        seed: The setting that is the seed; None: found.
        settings: The settings that count; None: all that are not the seed, a result or the name of a run.
        mode: Which way the metric is better; None: by its name.
        folds: Of how many folds a cross-validation is; None: guessed.
    """

    metric: str | None = None
    seed: str | None = None
    settings: tuple[str, ...] | None = None
    mode: Mode | None = None
    folds: int | None = None


def join_twins(foreign: Sequence[ForeignRun]) -> None:
    """Keep one of several settings that are called alike and are equal in all runs, such as `config/seed`."""
    keys = dict.fromkeys(key for run in foreign for key in run.settings)
    kept: dict[str, str] = {}
    for key in keys:
        first = kept.setdefault(base_name(key), key)
        pairs = [(run.settings.get(first), run.settings.get(key)) for run in foreign]
        if first != key and all(one == other for one, other in pairs):
            for run in foreign:
                run.settings.pop(key, None)


def seed_key(foreign: Sequence[ForeignRun], choices: Choices) -> str | None:
    """The setting that is the seed, or None. Raises RunError where it is ambiguous or missing."""
    keys = list(dict.fromkeys(key for run in foreign for key in run.settings))
    if choices.seed is not None:
        if choices.seed not in keys:
            shown = [printable(key) for key in keys]
            raise RunError(f"--seed {choices.seed}: no run has this setting. Available: {listed(shown[:30])}"
                           f"{did_you_mean(choices.seed, shown)}")  # fmt: skip
        return choices.seed
    by_name = {key: base_name(key) for key in keys}
    for name in SEEDS:
        alike = [key for key in keys if by_name[key] == name]
        varied = [key for key in alike if len({run.settings.get(key) for run in foreign}) > 1]
        if len(varied) > 1:
            raise RunError(
                f"several settings could be the seed: {listed(map(printable, varied))}; write --seed KEY"
            )
        if varied or alike:
            return (varied or alike)[0]
    for name in REPEATS:
        for key in keys:
            if by_name[key] == name and _counts_repeats(foreign, key):
                return key
    return None


def _counts_repeats(foreign: Sequence[ForeignRun], key: str) -> bool:
    """Whether whole numbers come again under other settings, or count all runs of the only setting."""
    values = [run.settings.get(key) for run in foreign]
    if not all(type(value) is int for value in values) or len({*values}) < 2:
        return False
    others = [name for name in settings_keys(foreign, key, Choices()) if base_name(name) not in REPEATS]
    groups = {tuple(run.settings.get(name) for name in others) for run in foreign}
    return len({*values}) < len(values) or len(groups) == 1


def settings_keys(foreign: Sequence[ForeignRun], seed: str | None, choices: Choices) -> list[str]:
    """The settings that are compared. Raises RunError for one that no run has."""
    keys = list(dict.fromkeys(key for run in foreign for key in run.settings if key != seed))
    if choices.settings is not None:
        missing = [key for key in choices.settings if key not in keys]
        if missing:
            raise RunError(f"--settings {missing[0]}: no run has this setting. Available: "
                           f"{listed([printable(key) for key in keys][:30])}")  # fmt: skip
        return list(choices.settings)
    kept = [key for key in keys if not is_neither(key) and not _is_result(foreign, key)]
    return [
        key
        for key in kept
        if not tells_apart(
            foreign,
            key,
            [other for other in kept if other != key],
            is_counter=base_name(key) in REPEATS,
            is_method=METHODS.fullmatch(base_name(key)) is not None,
            is_seeded=seed is not None and len({run.settings.get(seed) for run in foreign}) > 1,
        )
    ]


def _is_result(foreign: Sequence[ForeignRun], key: str) -> bool:
    """Whether a setting is a result of unknown name: of a stage, and another fraction for most runs."""
    values = [run.settings[key] for run in foreign if key in run.settings]
    are_fractions = all(type(value) is float for value in values)
    is_nested = "." in key or "/" in key  # `train.lr` of a configuration
    return are_fractions and not is_nested and split_stage(key)[0] != "" and 2 * len({*values}) > len(values)


def is_neither(key: str) -> bool:
    """Whether a key is no setting: what a run is called, where and when it ran, what others gave."""
    return any(NEITHER.fullmatch(name) for name in (re.sub(r"[./\s]", "_", key), base_name(key)))


def seed_numbers(foreign: Sequence[ForeignRun], seed: str | None) -> dict[Scalar, int]:
    """A whole number for each seed: itself, or for texts their position."""
    values = {run.settings.get(seed) for run in foreign if seed is not None} - {None}
    if all(isinstance(value, (int, float)) and float(value).is_integer() for value in values):
        return {value: int(value) for value in values if isinstance(value, (int, float))}
    return {value: number for number, value in enumerate(sorted(values, key=str))}
