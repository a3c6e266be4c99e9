"""Test any run again from its directory alone, on its data or on other data."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from lightning.pytorch import Trainer

from abreast.build.changed_data import report_changed_data
from abreast.build.data import build_data
from abreast.build.instantiate import REFUSALS
from abreast.build.trainer import OWN_WORK
from abreast.config.types import Config
from abreast.data.columns import encoded_as
from abreast.errors import ConfigError, RunError
from abreast.inference.load import rebuild, reopened
from abreast.runs.directory import RunDirectory
from abreast.runs.files import EXAMPLES
from abreast.runtime.matmul_precision import matmul_precision
from abreast.runtime.process import prepare_process
from abreast.runtime.seeding import seed_everything
from abreast.training.example_outcomes import write_example_outcomes


def evaluate(
    run: Path,
    *,
    checkpoint: str | None = None,
    overrides: Sequence[str] = (),
    trust: Sequence[str] = (),
    examples: Path | None = None,
) -> dict[str, float]:
    """Test a run's network.

    Args:
        run: The run's directory.
        checkpoint: `best`, `last` or a path; None for the one that the run was tested with.
        overrides: `data=NAME` or `data.KEY=VALUE`, for a test on other data.
        trust: Packages beside the usual ones that the configuration may build objects of.
        examples: A file to write which test examples were right to, as a run's `test_examples.bin`.

    Returns:
        The test's metrics by name (`test/loss`).

    Raises:
        RunError: The directory cannot be used.
        ConfigError: The data do not fit the network.
        OSError: `examples` cannot be written.
    """
    with reopened(run, overrides, trust) as (directory, config):
        prepare_process()
        seed_everything(config["seed"])
        learner = rebuild(directory, config, checkpoint or config["checkpoint"])
        with encoded_as(learner.columns):
            data = build_data(config, scale=learner.target_scale)
        if learner.classes and len(data.classes) == len(learner.classes) and data.columns:
            _check_same("classes", data.classes, learner.classes)
        _check_same("columns", [c.name for c in data.columns], [c.name for c in learner.columns])
        data_shape = (data.in_shape, data.out_features, bool(data.classes))
        if data_shape != (learner.in_shape, learner.out_features, bool(learner.classes)):
            raise ConfigError(
                f"the data have examples of shape {data.in_shape} with {data.out_features} outputs, but the "
                f"run's network takes {learner.in_shape} to {learner.out_features}: choose such data"
            )
        if not overrides:
            report_changed_data(directory, data.content)
        with matmul_precision(config.get("matmul_precision")):
            tester(config).test(learner, datamodule=data, verbose=False)
        if examples is not None:
            write_example_outcomes(examples, learner, data.test.targets)
            _renew_checksum(directory, examples)
        return {name: value for name, value in learner.values.items() if name.startswith("test/")}


def _check_same(what: str, names: Sequence[str], trained: Sequence[str]) -> None:
    """Check that a table has the names that the network was trained with, in their order."""
    if list(names) != list(trained):
        raise ConfigError(
            f"the data have the {what} {', '.join(names) or '(none)'}, but the run's network was "
            f"trained with {', '.join(trained) or '(none)'}: choose such data"
        )


def _renew_checksum(directory: RunDirectory, examples: Path) -> None:
    """Let the run's result know of its own file of outcomes, if it was this one that was written."""
    if os.path.realpath(examples) == os.path.realpath(directory.path / EXAMPLES):
        with suppress(RunError):  # there may be no result that can be read
            directory.renew_checksum(EXAMPLES)


def tester(config: Config) -> Trainer:
    """A Trainer on one device that writes nothing, with the precision of the run."""
    node = config["trainer"]
    try:
        return Trainer(
            accelerator=node.get("accelerator", "auto"),
            devices=1,
            precision=node.get("precision", "32-true"),
            deterministic=node.get("deterministic"),
            logger=False,
            enable_checkpointing=False,
            **OWN_WORK,
        )
    except REFUSALS as error:
        raise ConfigError(f"trainer: {error}") from error
