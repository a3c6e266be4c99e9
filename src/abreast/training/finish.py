"""The end of a run, whether it was trained alone, in a stack, or dropped by successive halving."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

from lightning.pytorch import Trainer
from torch import Tensor

from abreast import __version__
from abreast.config.types import Config, State
from abreast.data.datamodule import DataModule
from abreast.learner import checkpoint
from abreast.learner.evaluator import Evaluator
from abreast.loggers.hyperparameters import log_hyperparameters
from abreast.runs.directory import RunDirectory
from abreast.runs.files import EXAMPLES, LAST
from abreast.runs.schema import ResultFile
from abreast.training.example_outcomes import write_example_outcomes
from abreast.training.record import StartRecord, data_record
from abreast.training.worst_examples import write_worst_examples

PACKAGES = ("torch", "lightning", "torchmetrics", "hydra-core", "numpy")


@dataclass(frozen=True)
class ChosenWeights:
    """The weights that a run is tested with.

    Attributes:
        file: The checkpoint that holds them.
        epoch: The epoch they are from, from 1.
        step: Optimizer steps that made them.
        weights: The values, by the names in the learner's state.
        validation: Their validation metrics; empty where they were not validated, None where an older release
            wrote the checkpoint, which does not say it.
    """

    file: Path
    epoch: int
    step: int
    weights: dict[str, Tensor]
    validation: Mapping[str, float] | None

    def lack_validation(self, data: DataModule) -> bool:
        """Whether the weights have to be validated: they were not, and the data have examples for it."""
        return self.validation == {} and data.validates


def chosen_file(directory: RunDirectory, name: str) -> Path:
    """The checkpoint `name` (`best` or `last`) of the run; `last` where no epoch was saved as the best."""
    file = directory.checkpoints / f"{name}.ckpt"
    return file if file.exists() else directory.checkpoints / LAST


def read_chosen(directory: RunDirectory, name: str) -> ChosenWeights:
    """The weights of the run's checkpoint `name` (`best` or `last`), read from its file."""
    file = chosen_file(directory, name)
    return chosen_weights(file, checkpoint.load(file))


def chosen_weights(file: Path, content: State) -> ChosenWeights:
    """The weights of a checkpoint's content, which was or is to be read from the file."""
    validation = content.get("abreast", {}).get("validation")
    epoch, step = int(content["epoch"]) + 1, int(content["global_step"])
    return ChosenWeights(file, epoch, step, dict(content["state_dict"]), validation)


def finish(
    trainer: Trainer,
    evaluator: Evaluator,
    data: DataModule,
    directory: RunDirectory,
    config: Config,
    chosen: ChosenWeights,
    record: StartRecord,
    *,
    seconds: float,
    status: str = "finished",
) -> ResultFile:
    """Write what a run leaves once its weights are tested: result, examples, hyperparameters.

    Args:
        trainer: The run's Trainer, for its loggers.
        evaluator: The network with the chosen weights, after the test.
        data: The run's data.
        directory: The run's directory.
        config: The run's configuration, for the loggers.
        chosen: The weights that were tested.
        record: What was recorded of the run before it was trained.
        seconds: Time that the run took.
        status: `finished`, or `dropped` for a run that successive halving ended early, without a test.

    Returns:
        The content of result.json.
    """
    metrics = _metrics_of_weights(evaluator, directory, chosen)
    test = {name: value for name, value in evaluator.values.items() if name.startswith("test/")}
    result: ResultFile = {
        "status": status,
        "seed": config["seed"],
        "task": config["data"]["task"],
        "metrics": {**metrics, **test},
        "seconds": round(seconds, 3),
        "epoch": chosen.epoch,
        "step": chosen.step,
        "checkpoint": chosen.file.name,
        "parameters": sum(p.numel() for p in evaluator.net.parameters()),
        "examples": {stage: len(getattr(data, stage).targets) for stage in ("train", "val", "test")},
        "facts": data.facts,
        "classes": list(data.classes),
        "confusion": evaluator.confusion,
        "versions": dict(versions()),
        "execution": record.execution,
        "data": data_record(data, evaluator.loss.ignore_index),
        "sources": record.sources,
    }
    write_example_outcomes(directory.path / EXAMPLES, evaluator, data.test.targets)
    write_worst_examples(directory, evaluator, data.test)
    directory.write_result(dict(result))
    log_hyperparameters(trainer, config, result)
    return result


def _metrics_of_weights(
    evaluator: Evaluator, directory: RunDirectory, chosen: ChosenWeights
) -> dict[str, float]:
    """The training and validation metrics of the chosen weights.

    The row of their epoch has these only if the epoch ended with the weights and validated them.
    """
    rows = (row for row in directory.read_metrics() if row["epoch"] == chosen.epoch)
    row = {name: value for name, value in next(rows, {"step": -1.0}).items() if "/" in name or name == "step"}
    step = row.pop("step")
    if chosen.validation is None:
        return row
    validation = chosen.validation or evaluator.values
    training = {name: value for name, value in row.items() if step == chosen.step}
    return {
        **{name: value for name, value in training.items() if not name.startswith("val/")},
        **{name: value for name, value in validation.items() if name.startswith("val/")},
    }


@cache
def versions() -> dict[str, str]:
    """Versions of what the run was made with, by package."""
    return {
        "abreast": __version__,
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in PACKAGES},
    }
