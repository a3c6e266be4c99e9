"""Test any run again, from its directory alone; on its own data or on other data."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch import Trainer
from rich.console import Console
from rich.table import Table

from abreast.build import REFUSALS, Config, build_data
from abreast.commands import parse
from abreast.errors import ConfigError, RunError
from abreast.precision import matmul_precision
from abreast.rebuilding import rebuild, reopened
from abreast.results import RunDirectory, write_atomically
from abreast.training import prepare


def evaluate(
    run: Path, *, checkpoint: str | None = None, overrides: Sequence[str] = (), trust: Sequence[str] = ()
) -> dict[str, float]:
    """The run's test metrics by name; with `overrides` (`data=`, `data.key=`) those on other data.

    `checkpoint` is `best`, `last` or a path; None: the one that the run itself was tested with.
    Raises RunError for a directory that can't be used, ConfigError for data that don't fit the network.
    """
    with reopened(run, overrides, trust) as (directory, config):
        prepare(config)
        learner = rebuild(directory, config, checkpoint or config["checkpoint"])
        data = build_data(config)
        found = (data.in_shape, data.out_features, bool(data.classes))
        if found != (learner.in_shape, learner.out_features, bool(learner.classes)):
            raise ConfigError(
                f"the data have rows of shape {data.in_shape} with {data.out_features} outputs, but the "
                f"run's network takes {learner.in_shape} to {learner.out_features}: choose such data"
            )
        with matmul_precision(config.get("matmul_precision")):
            tester(config).test(learner, datamodule=data, verbose=False)
        return {name: value for name, value in learner.values.items() if name.startswith("test/")}


def tester(config: Config) -> Trainer:
    """A Trainer on one device with the run's own precision, that writes nothing."""
    node = config["trainer"]
    try:
        return Trainer(
            accelerator=node.get("accelerator", "auto"),
            devices=1,
            precision=node.get("precision", "32-true"),
            deterministic=node.get("deterministic"),
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
        )
    except REFUSALS as error:
        raise ConfigError(f"trainer: {error}") from error


def main(argv: Sequence[str] | None = None) -> int:
    """The command `abreast evaluate`."""
    args = parse("evaluate", argv)
    metrics = evaluate(args.run, checkpoint=args.checkpoint, overrides=args.overrides, trust=args.trust)
    before = {} if args.overrides or args.checkpoint else _tested(args.run)
    _print(metrics, before)
    if args.json:
        try:
            write_atomically(args.json, (json.dumps(metrics, indent=2) + "\n").encode())
        except OSError as error:
            raise RunError(f"--json {args.json}: cannot be written ({error.strerror})") from None
    return 0


def _tested(run: Path) -> dict[str, Any]:
    try:
        metrics: dict[str, Any] = RunDirectory(run).read_result()["metrics"]
    except RunError:  # it was not tested yet
        return {}
    return metrics


def _print(metrics: dict[str, float], before: dict[str, Any]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("metric")
    table.add_column("value", justify="right")
    if before:
        table.add_column("in result.json", justify="right")
    for name, value in metrics.items():
        table.add_row(name, f"{value:.7g}", *([f"{before.get(name, float('nan')):.7g}"] if before else []))
    Console().print(table)
