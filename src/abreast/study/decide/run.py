"""Trains two settings wave after wave of seeds, and stops when their difference is known."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from hydra.core.config_loader import ConfigLoader
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig, OmegaConf

from abreast.runs.files import SWEEP
from abreast.runs.job_directory import job_directory
from abreast.runs.looks import note_look
from abreast.study.decide.decision import Decision, Look
from abreast.study.decide.page import decision_analysis, write_decision_page
from abreast.study.decide.protocol import DecideProtocol, read_decide_protocol
from abreast.study.decide.terminal import interval_text, print_decision
from abreast.study.selection import Outcome, read_outcome

log = logging.getLogger(__name__)

_prepared: list[tuple[DictConfig, DecideProtocol]] = []  # by the preflight check, for the sweeper
_decided: list[Decision] = []  # by this process, for its exit code


def prepare_decision(config: DictConfig, loader: ConfigLoader) -> DecideProtocol:
    """Read and check what a multirun is to decide; the same configuration only once.

    Args:
        config: The configuration of the multirun.
        loader: Hydra's loader.

    Raises:
        ConfigError: With a line for each mistake.
        Stop: If the overrides of a setting cannot be composed.
    """
    if not _prepared or _prepared[0][0] is not config:
        _prepared[:] = [(config, read_decide_protocol(config, loader))]
    return _prepared[0][1]


def latest_decision() -> Decision | None:
    """Return the decision that this process has come to; None without one."""
    return _decided[0] if _decided else None


def run_decide(
    config: DictConfig, arguments: Sequence[str], launcher: Launcher, loader: ConfigLoader
) -> Decision:
    """Train wave after wave until the verdict is due or the budget is spent.

    What is trained depends only on the configuration and on the results in the directory, so that the same
    command resumes where it was stopped, and with a larger budget goes on after it.

    Args:
        config: The configuration of the multirun.
        arguments: The command line.
        launcher: What the runs of a wave are handed to, all at once.
        loader: Hydra's loader.

    Raises:
        ConfigError: For mistakes in the command, before anything trains.
    """
    protocol = prepare_decision(config, loader)
    directory = Path(str(config.hydra.sweep.dir)).absolute()
    directory.mkdir(parents=True, exist_ok=True)
    OmegaConf.save(config, directory / SWEEP)
    decision = Decision(protocol, directory, tuple(arguments))
    stops_on_failure = OmegaConf.select(config, "sweep.on_fail") == "stop"
    log.info(
        "Is %s better than %s? Margin %g, at most %d seeds",
        *protocol.settings[::-1],
        protocol.margin,
        protocol.max_seeds,
    )
    for seeds in protocol.waves():
        _train(launcher, decision, seeds)
        look = decision.look()
        if stops_on_failure and any(look.failed):
            decision.stopped = decision.stopped or "a run failed (sweep.on_fail=stop)"
        decision.write()
        note_look(directory, protocol.metric, f"decide, wave {look.wave}", 2 * look.seeds)
        log.info(_progress(look))
        if look.verdict != "undecided" or decision.stopped:
            break
    _decided[:] = [decision]
    analysis = decision_analysis(decision)
    print_decision(decision, analysis, write_decision_page(decision, analysis))
    return decision


def _train(launcher: Launcher, decision: Decision, seeds: Sequence[int]) -> None:
    """Train a wave's runs together, and add their outcomes."""
    protocol = decision.protocol
    runs, first = protocol.runs(seeds), 2 * len(decision.pairs.outcomes)
    returns: Sequence[JobReturn | None] = list(launcher.launch(runs, initial_job_idx=first))
    if len(returns) != len(runs):
        returns = [None] * len(runs)
    outcomes = [
        _outcome(returned, decision.directory / str(first + index), seeds[index // 2], protocol.metric)
        for index, returned in enumerate(returns)
    ]
    for index, seed in enumerate(seeds):
        decision.pairs.add(seed, outcomes[2 * index : 2 * index + 2])


def _outcome(returned: JobReturn | None, expected: Path, seed: int, metric: str) -> Outcome:
    """How a run ended, read from the directory that the launcher reports."""
    return read_outcome(job_directory(returned) or expected, seed, metric)


def _progress(look: Look) -> str:
    """A line for the terminal after a wave."""
    text = f"Wave {look.wave}, {look.seeds} seeds: {interval_text(look.interval)}, {look.verdict}"
    return f"{text}; about {look.needed} seeds if it stays so" if look.needed else text
