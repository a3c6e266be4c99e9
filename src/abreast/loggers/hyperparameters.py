"""A run's row among the hyperparameters: what tells runs apart, and the final metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lightning.pytorch import Trainer

from abreast.config.identity import leaves
from abreast.config.neutral_keys import without_neutral
from abreast.config.targets import GROUPS, built_class
from abreast.hparams.columns import Row
from abreast.loggers.run_logger import RunLogger
from abreast.loggers.tensorboard import FINAL, TensorBoard

# The classes that an option's name does not say for certain. TensorBoard puts columns in the order of their
# names, and ticks the first five that differ: these come after loss, optim and optim.lr.
CLASSES = {"loss.criterion._target_": "target.loss", "schedule.scheduler._target_": "target.schedule"}
LEFT_OUT = frozenset({"data.task", "loss.tasks"})  # what the option's name says, as it does of other classes


def hyperparameters(config: Mapping[str, Any]) -> Row:
    """The configuration as one flat row: `optim` names what was chosen, `optim.lr` holds its values.

    Every key that can change a result is in it, with its default too: beside a run that has another value,
    an empty cell would not tell which one it is. A key that is not set has the value `null`.
    """
    names = config.get("names", {})
    row: Row = {group: names.get(group) or built_class(config[group]) or "constant" for group in GROUPS}
    for key, value in leaves(without_neutral(config, execution=False)).items():
        is_left_out = key in LEFT_OUT or key.endswith(("_target_", "_partial_"))
        if key in CLASSES or not is_left_out:
            row.setdefault(CLASSES.get(key, key), "null" if value is None else value)
    return row


def log_hyperparameters(trainer: Trainer, config: Mapping[str, Any], result: Mapping[str, Any]) -> None:
    """Give every logger the row, with the final metrics of result.json."""
    row = hyperparameters(config)
    final = {f"{FINAL}{name}": value for name, value in result["metrics"].items() if name.count("/") == 1}
    for logger in trainer.loggers:
        if isinstance(logger, TensorBoard):
            logger.log_row(row, final, trainer.global_step)
            logger.close()
            continue
        logger.log_hyperparams(row)
        logger.log_metrics(final, step=trainer.global_step)
        logger.finalize("success")
        if isinstance(logger, RunLogger):
            logger.close(result["status"])
