"""`abreast plan`: what a command line would train, in which stacks, and for how long. Nothing is written."""

from __future__ import annotations

import json
import os
import sys
import time
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Iterable, Sequence
from contextlib import nullcontext, redirect_stdout
from typing import TYPE_CHECKING, Any

from rich.console import Console

from abreast.cli import decide, train
from abreast.cli.planner import OVERRIDE, Planned
from abreast.config.commands import COMMANDS, TRAINING
from abreast.config.override_keys import key_of, resumes
from abreast.errors import ConfigError

if TYPE_CHECKING:
    from abreast.cli.parts import Estimate
    from hydra_plugins.abreast_launcher.config import AbreastLauncherConf

CALLS = ("python", "python3", "train.py", "abreast")  # what a command line that was copied begins with
NOT_SETTINGS = ("seed", "data.split_seed", "data.fold", "data.folds")  # what differs within a group
HELP = """
  abreast plan loss=cross_entropy,mse optim=adam 'seed=range(50)'
  abreast plan +study=loss_x_optim data=mnist
  abreast plan decide loss=cross_entropy,mse margin=0.005
  python train.py -m loss=cross_entropy,mse --dry-run

How many runs, in which stacks, what is trained individually and why, the time on this machine, measured
by training a little of it, and the space on the disk. Nothing is written, and nothing is downloaded.
"""


def main(argv: Sequence[str]) -> int:
    """The command `abreast plan`.

    Raises:
        ConfigError: For mistakes in the command line.
    """
    from abreast.cli.plan_json import content
    from abreast.cli.plan_text import print_plan

    began = time.perf_counter()
    arguments = list(argv)
    if {"-h", "--help"} & {*arguments}:
        _parser().print_help()
        return 0
    as_json = "--json" in arguments
    sys.dont_write_bytecode = True  # of a custom loss in the working directory
    sys.argv[1:] = [*_training_arguments([item for item in arguments if item != "--json"]), OVERRIDE]
    with redirect_stdout(sys.stderr) if as_json else nullcontext():
        try:
            train.main()
        except Planned as caught:
            planned = caught
        else:
            raise ConfigError("plan: this command line trains nothing")
        estimated = _estimated(planned, began)
    if as_json:
        print(json.dumps(content(planned, estimated), ensure_ascii=False, allow_nan=False))
    else:
        print_plan(planned, estimated, Console(highlight=False))
    return 0


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        "abreast plan",
        usage="abreast plan [decide] [KEY=VALUE ...] [--json]",
        description=HELP,
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print the plan as JSON, and all else to stderr")
    return parser


def _training_arguments(arguments: list[str]) -> list[str]:
    """What is planned, as arguments of train.py; several values of a key make it a multirun.

    Raises:
        ConfigError: It is another command than one that trains.
    """
    while arguments and os.path.basename(arguments[0]) in CALLS:  # noqa: PTH119
        arguments = arguments[1:]
    if arguments and arguments[0] in COMMANDS and arguments[0] not in TRAINING:
        raise ConfigError(f"plan: abreast {arguments[0]} trains nothing; write abreast plan loss=mse,hinge")
    if any(map(resumes, arguments)):
        raise ConfigError("plan: a run that is resumed is not planned; abreast show RUN says how far it is")
    if arguments and arguments[0] == "decide":
        return decide.multirun_arguments(arguments[1:])
    is_multirun = {"-m", "--multirun"} & {*arguments}
    return arguments if is_multirun or not _has_many_runs(arguments) else ["-m", *arguments]


def _has_many_runs(arguments: Iterable[str]) -> bool:
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    for argument in arguments:
        key = key_of(argument)
        if argument.startswith("-"):
            continue
        if key in ("study", "hydra/sweeper"):
            return True
        try:
            (override,) = OverridesParser.create().parse_overrides([argument])
        except HydraException:
            continue  # which is told when it is composed
        if override.is_sweep_override():
            return True
    return False


def _estimated(planned: Planned, began: float) -> Estimate:
    from abreast.cli.estimate import estimate
    from abreast.cli.parts import Part, PlannedRun

    if sys.stderr.isatty():
        print("Training a little of it ...", file=sys.stderr)
    if planned.multirun is None:
        assert planned.run is not None
        return estimate([Part("", [PlannedRun(planned.run)], "it is the only run")], None, began)
    parts = []
    for batch in planned.multirun.batches:
        for jobs, reason in [
            *((stack, None) for stack in batch.stacks),
            *((jobs, reason) for reason, jobs in batch.individual.items()),
        ]:
            runs = [PlannedRun(job.run_config, _group(job.title)) for job in jobs]
            known, most = batch.batch.are_settings_known, batch.most_lanes
            is_asked = batch.batch.lanes is not None
            parts.append(Part(batch.batch.name, runs, reason, batch.batch.is_certain, known, most, is_asked))
    return estimate(parts, _launcher(planned.multirun.config.hydra), began)


def _group(title: str) -> str:
    """A job's title without what differs within a group."""
    return " ".join(part for part in title.split(" ") if part.partition("=")[0] not in NOT_SETTINGS)


def _launcher(hydra: Any) -> AbreastLauncherConf | None:
    """The settings of the stacks; None for a launcher that trains none."""
    from omegaconf import OmegaConf

    from hydra_plugins.abreast_launcher.config import AbreastLauncherConf

    if hydra.runtime.choices.get("hydra/launcher") != "abreast":
        return None
    settings: Any = OmegaConf.to_container(hydra.launcher, resolve=True)
    return AbreastLauncherConf(**settings)
