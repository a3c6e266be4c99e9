"""A study from start to end: tune, choose, repeat on fresh seeds, test once, report."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from hydra.core.config_loader import ConfigLoader
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig, OmegaConf

from abreast.config.options import groups
from abreast.errors import RunError
from abreast.runs.files import SWEEP
from abreast.runs.job_directory import job_directory
from abreast.runs.looks import note_look
from abreast.study.criteria import Criteria, read_criteria
from abreast.study.overrides import parse_command_line
from abreast.study.page import study_analysis, write_page
from abreast.study.protocol import Protocol, read_protocol
from abreast.study.results import StudyResult
from abreast.study.selection import Choice, Outcome, Trial, choose, read_outcome
from abreast.study.summary import print_result
from abreast.validation.preflight import overrides_of

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PreparedStudy:
    """A study that has been checked.

    Attributes:
        config: The configuration of the multirun.
        protocol: What is to be run.
        criteria: What it is judged by.
    """

    config: DictConfig
    protocol: Protocol
    criteria: Criteria


_latest: list[PreparedStudy] = []  # by the preflight check, for the sweeper


def prepare(config: DictConfig, loader: ConfigLoader) -> PreparedStudy:
    """Read and check the study that `config.hydra.sweeper` declares; the same configuration only once.

    Args:
        config: The configuration of the multirun.
        loader: Hydra's loader.

    Raises:
        ConfigError: For mistakes in the study.
        Stop: If the overrides of a cell cannot be composed.
    """
    if _latest and _latest[0].config is config:
        return _latest[0]
    hydra = config.hydra
    folders = [Path(source.path) for source in hydra.runtime.config_sources if source.schema == "file"]
    protocol = read_protocol(
        str(hydra.runtime.choices.get("study") or "study"),
        cast("Mapping[str, object]", OmegaConf.to_container(hydra.sweeper, resolve=True)),
        parse_command_line(overrides_of(hydra), loader),
        groups(folders),
    )
    _latest[:] = [PreparedStudy(config, protocol, read_criteria(protocol, config))]
    return _latest[0]


def run_study(
    config: DictConfig, arguments: Sequence[str], launcher: Launcher, loader: ConfigLoader
) -> StudyResult:
    """Run the study that `config.hydra.sweeper` declares, and report it.

    What is run depends only on the configuration and on the results in the sweep's directory, so the same
    command resumes a study that was interrupted, if the launcher skips finished runs.

    Args:
        config: The configuration of the multirun.
        arguments: The command line, for the report.
        launcher: What the runs are handed to, all of a stage at once.
        loader: Hydra's loader.

    Raises:
        ConfigError: For mistakes in the study, before anything trains.
        RunError: If no cell has a result.
    """
    prepared = prepare(config, loader)
    protocol, criteria = prepared.protocol, prepared.criteria
    sweep_dir = Path(str(config.hydra.sweep.dir)).absolute()
    sweep_dir.mkdir(parents=True, exist_ok=True)
    OmegaConf.save(config, sweep_dir / SWEEP)
    tuning = protocol.tuning_runs()
    cells, trials, seeds = len(protocol.cells), protocol.trials, len(protocol.tune_seeds)
    splits = len(protocol.tune_splits)
    log.info(
        "Study %s: tuning %d cells with %d trials each on %d seed%s%s: %d runs",
        *(protocol.name, cells, trials, seeds, "s" * (seeds > 1)),
        *(f" and {splits} splits" if splits > 1 else "", len(tuning)),
    )
    directories = _launch(launcher, "tune", tuning, 0, sweep_dir)
    choices = _choose(protocol, criteria, directories)
    result = StudyResult(protocol, sweep_dir, tuple(arguments), tuple(choices), criteria)
    result.write()
    repeats = protocol.repeat_runs([choice.chosen for choice in choices])
    if not repeats:
        raise RunError(f"{sweep_dir}: every trial of every cell failed. The first: {result.warnings[0]}")
    splits = len(protocol.repeat_splits)
    log.info(
        "Study %s: repeating %d chosen settings on %d fresh seeds%s: %d runs",
        *(protocol.name, len(repeats) // len(protocol.repeats), len(protocol.repeat_seeds)),
        *(f" and {splits} splits" if splits > 1 else "", len(repeats)),
    )
    directories = _launch(launcher, "repeat", repeats, len(tuning), sweep_dir)
    result = result.with_repeats(_read_repeats(protocol, criteria, choices, directories))
    result.write()
    tested = sum(outcome.score is not None for outcomes in result.repeats or () for outcome in outcomes)
    if not tested:
        raise RunError(f"{sweep_dir}: every repeat failed. The first: {result.warnings[-1]}")
    note_look(
        sweep_dir,
        criteria.metric,
        f"study {protocol.name}",
        tested,
        cells=[choice.cell.name for choice in choices],
        seeds=protocol.repeat_seeds,
    )
    analysis = study_analysis(result)
    print_result(result, analysis, write_page(result, analysis))
    return result


def _launch(
    launcher: Launcher, stage: str, runs: Sequence[Sequence[str]], first: int, sweep_dir: Path
) -> list[Path]:
    """Launch all runs of a stage at once, so that they train in stacks, and return their directories."""
    returns = launcher.launch([list(overrides) for overrides in runs], initial_job_idx=first)
    expected = [sweep_dir / stage / str(first + index) for index in range(len(runs))]
    if len(returns) != len(runs):
        return expected
    return [job_directory(returned) or path for returned, path in zip(returns, expected, strict=True)]


def _choose(protocol: Protocol, criteria: Criteria, directories: Sequence[Path]) -> list[Choice]:
    remaining = iter(directories)
    choices = []
    for cell, criterion in zip(protocol.cells, criteria.cells, strict=True):
        trials = [
            Trial(
                setting,
                tuple(read_outcome(next(remaining), seed, criterion.metric) for _, seed in protocol.tunings),
            )
            for setting in cell.settings
        ]
        choices.append(choose(cell, trials, criterion.metric, criterion.mode))
    return choices


def _read_repeats(
    protocol: Protocol, criteria: Criteria, choices: Sequence[Choice], directories: Sequence[Path]
) -> list[tuple[Outcome, ...]]:
    """For each cell the outcomes of its repeats, by split and seed; none for a cell that is not repeated."""
    remaining = iter(directories)
    return [
        tuple(
            replace(read_outcome(next(remaining), seed, criteria.metric), repeat=split.repeat(seed))
            for split, seed in protocol.repeats
            if choice.chosen is not None
        )
        for choice in choices
    ]
