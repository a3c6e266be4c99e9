"""A run's row among the hyperparameters: what tells runs apart, and the final metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from lightning.pytorch import Trainer

from abreast.config.identity import FOLD, SPLIT_SEED, identity
from abreast.config.neutral_keys import is_neutral
from abreast.loggers.tensorboard import TensorBoard

Row: TypeAlias = dict[str, str | int | float | bool]  # flat, by dotted key

# In the order that people compare by.
GROUPS = ("data", "model", "loss", "optim", "schedule", "trainer")
# Columns only where they do not have their default, like all other keys of a run's identity: the columns that
# people compare are not lost among them.
SELDOM = frozenset(
    {
        "_target_",
        "_partial_",
        "task",
        "tasks",
        "eval_batch_size",
        "normalize",
        "split_seed",
        "test_fraction",
        "val_fraction",
    }
)
TRAINER = frozenset(
    {"max_epochs", "max_steps", "precision", "gradient_clip_val", "accumulate_grad_batches", "devices"}
)
CLASSES = (".criterion._target_", ".scheduler._target_")  # what an option's name does not say for certain


def hyperparameters(config: Mapping[str, Any]) -> Row:
    """The configuration as one flat row: `optim` names what was chosen, `optim.lr` holds its values.

    Every key that is part of the run's identity is in it, if it does not have its default.
    """
    names = config.get("names", {})
    row: Row = {"seed": config["seed"]}
    for group in GROUPS:
        node = dict(config[group])
        row[group] = names.get(group) or _name(node)
        if group == "trainer":
            node = {key: value for key, value in node.items() if key in TRAINER}
        row.update(_flat(node, group + "."))
    identified = identity(config)
    blocks = {SPLIT_SEED: identified.split_seed or None, FOLD: identified.fold}
    for key, value in {**identified.leaves, **blocks}.items():
        if value is not None and (not key.endswith(("_target_", "_partial_")) or key.endswith(CLASSES)):
            row.setdefault(key, value)
    return row


def _name(node: Mapping[str, Any]) -> str:
    """What a group was set to, where its option's name is not known: the class it builds."""
    inner = node.get("criterion", node.get("scheduler", node))
    return str(inner["_target_"]).rsplit(".", 1)[-1] if inner else "constant"


def _flat(node: Mapping[str, Any], prefix: str) -> Row:
    row: Row = {}
    for key, value in node.items():
        if key in SELDOM or value is None or is_neutral(prefix + key):
            continue
        if isinstance(value, Mapping):
            row.update(_flat(value, f"{prefix}{key}."))
        else:
            row[prefix + key] = value if isinstance(value, (str, int, float, bool)) else str(value)
    return row


def log_hyperparameters(trainer: Trainer, config: Mapping[str, Any], result: Mapping[str, Any]) -> None:
    """Give every logger the row, with the final metrics of result.json."""
    row = hyperparameters(config)
    final = {f"final/{name}": value for name, value in result["metrics"].items() if name.count("/") == 1}
    for logger in trainer.loggers:
        if isinstance(logger, TensorBoard):
            logger.log_hyperparams(row, final, step=trainer.global_step)
            logger.close()
        else:
            logger.log_hyperparams(row)
            logger.log_metrics(final, step=trainer.global_step)
            logger.finalize("success")
