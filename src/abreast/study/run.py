"""A study from end to end: tune, choose, repeat on fresh seeds, test once, report."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from hydra.core.config_loader import ConfigLoader
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig, OmegaConf

from abreast.config.options import groups
from abreast.errors import RunError
from abreast.runs.files import SWEEP
from abreast.study import overrides, protocol
from abreast.study.criteria import Grounds, grounds
from abreast.study.page import write_page
from abreast.study.protocol import Protocol
from abreast.study.results import Findings
from abreast.study.selection import Choice, Outcome, Trial, choose, outcome
from abreast.study.summary import print_findings
from abreast.validation.preflight import overrides_of

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Prepared:
    """A study that has been checked: what is to be run, and what it is judged by."""

    config: DictConfig
    plan: Protocol
    grounds: tuple[Grounds, ...]
    metric: str
    mode: str


_latest: list[Prepared] = []  # checked before any directory is made, and conducted a moment later


def prepare(config: DictConfig, loader: ConfigLoader) -> Prepared:
    """Read and check the study that `config.hydra.sweeper` declares, once.

    Raises ConfigError for mistakes in it, and Stop for overrides that cannot be composed.
    """
    if _latest and _latest[0].config is config:
        return _latest[0]
    hydra = config.hydra
    folders = [Path(source.path) for source in hydra.runtime.config_sources if source.schema == "file"]
    plan = protocol.read(
        str(hydra.runtime.choices.get("study") or "study"),
        cast("dict[str, Any]", OmegaConf.to_container(hydra.sweeper, resolve=True)),
        overrides.given(overrides_of(hydra), loader),
        groups(folders),
    )
    found, metric, mode = grounds(plan, config)
    _latest[:] = [Prepared(config, plan, tuple(found), metric, mode)]
    return _latest[0]


def conduct(
    config: DictConfig, arguments: Sequence[str], launcher: Launcher, loader: ConfigLoader
) -> Findings:
    """Conduct the study that `config.hydra.sweeper` declares, and report it.

    What is run is a function of the config and of the results in the sweep's directory: the same command
    again goes on where it was, wherever the launcher lets finished runs be. Raises ConfigError for a mistake
    in the study, before anything trains, and RunError where no cell has a result.
    """
    prepared = prepare(config, loader)
    plan, found, metric = prepared.plan, prepared.grounds, prepared.metric
    sweep_dir = Path(str(config.hydra.sweep.dir)).absolute()
    sweep_dir.mkdir(parents=True, exist_ok=True)
    OmegaConf.save(config, sweep_dir / SWEEP)
    runs = plan.tuning()
    cells, tries, seeds = len(plan.cells), plan.trials, len(plan.tune_seeds)
    log.info(
        "Study %s: tuning %d cells, %d trials each on %d seed%s: %d runs",
        *(plan.name, cells, tries, seeds, "s" * (seeds > 1), len(runs)),
    )
    directories = _launch(launcher, "tune", runs, 0, sweep_dir)
    choices = _choose(plan, found, directories)
    findings = Findings(plan, sweep_dir, tuple(arguments), tuple(choices), found, metric, prepared.mode)
    findings.write()
    again = plan.repeats([each.chosen for each in choices])
    if not again:
        raise RunError(f"{sweep_dir}: every trial of every cell failed. The first: {findings.warnings[0]}")
    log.info(
        "Study %s: repeating %d chosen settings on %d fresh seeds: %d runs",
        *(plan.name, len(again) // len(plan.repeat_seeds), len(plan.repeat_seeds), len(again)),
    )
    directories = _launch(launcher, "repeat", again, len(runs), sweep_dir)
    findings = findings.repeated(_repeats(plan, choices, directories, metric))
    findings.write()
    assert findings.verdict is not None
    if not any(each.n for each in findings.verdict.summaries):
        raise RunError(f"{sweep_dir}: every repeat failed. The first: {findings.warnings[-1]}")
    print_findings(findings, write_page(findings))
    return findings


def _launch(
    launcher: Launcher, stage: str, runs: Sequence[Sequence[str]], first: int, sweep_dir: Path
) -> list[Path]:
    """Run all of a stage at once, so that they train in stacks; their directories."""
    returns = launcher.launch([list(each) for each in runs], initial_job_idx=first)
    expected = [sweep_dir / stage / str(first + number) for number in range(len(runs))]
    if len(returns) != len(runs):
        return expected
    return [_directory(each) or path for each, path in zip(returns, expected, strict=True)]


def _directory(returned: JobReturn) -> Path | None:
    """Where the launcher says that a run is."""
    path = OmegaConf.select(returned.hydra_cfg, "hydra.runtime.output_dir") if returned.hydra_cfg else None
    return None if path is None else Path(str(path))


def _choose(plan: Protocol, found: Sequence[Grounds], directories: Sequence[Path]) -> list[Choice]:
    at = iter(directories)
    choices = []
    for cell, ground in zip(plan.cells, found, strict=True):
        trials = [
            Trial(setting, tuple(outcome(next(at), seed, ground.metric) for seed in plan.tune_seeds))
            for setting in cell.settings
        ]
        choices.append(choose(cell, trials, ground.metric, ground.mode))
    return choices


def _repeats(
    plan: Protocol, choices: Sequence[Choice], directories: Sequence[Path], metric: str
) -> list[tuple[Outcome, ...]]:
    """The outcomes on the test rows, seed by seed, for every cell; none for one that is not repeated."""
    at = iter(directories)
    return [
        tuple(outcome(next(at), seed, metric) for seed in plan.repeat_seeds if each.chosen is not None)
        for each in choices
    ]
