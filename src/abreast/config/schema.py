"""The keys that abreast itself reads, with their types, ranges, defaults and meanings. No torch.

The only place that says them: Hydra composes the defaults (`hydra_plugins.abreast_schema`), the checks read
the annotations as source, and `--help` prints the meanings. The keys of components (`model.hidden`,
`loss.scores`) are the parameters of their classes and functions, annotated in the same way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from typing import Annotated, Any, Literal, TypeVar, cast

from annotated_types import Ge, Le, Lt

from abreast.config.types import Config

Task = Literal["classification", "regression"]
TASKS: tuple[Task, ...] = ("classification", "regression")
T = TypeVar("T")


def _key(default: T, help: str, *, required: bool = False) -> T:
    """A key with its default and what it means; `required`: a configuration must have it."""
    key: Any = field(default=default, metadata={"help": help, "required": required})
    return cast(T, key)  # as type checkers see the fields of a dataclass


@dataclass(frozen=True, kw_only=True)
class SweepKeys:
    """`sweep.*`: what concerns all runs of a sweep."""

    on_fail: Literal["continue", "stop"] = _key(
        "continue", "stop: after a failed run, start no further run of the sweep"
    )


@dataclass(frozen=True, kw_only=True)
class RunKeys:
    """The top level of a run's configuration, beside the groups."""

    seed: Annotated[int, Ge(0), Lt(2**32)] = _key(0, "initial weights, order of the mini-batches, dropout")
    monitor: str | None = _key(
        None, "what picks the best epoch; null: val/accuracy, or val/loss for regression"
    )
    checkpoint: Literal["best", "last"] = _key(
        "best", "the weights that are tested: of the best epoch or of the last"
    )
    ema: Annotated[float, Ge(0), Lt(1)] | None = _key(
        None, "decay of the weights' moving average, such as 0.999, which is then tested"
    )
    test: bool = _key(True, "false: do not touch the test set, as when tuning hyperparameters")
    steps_per_execution: Annotated[int, Ge(1)] = _key(
        50, "mini-batches per call of training_step; 1: ordinary Lightning, same weights"
    )
    matmul_precision: Literal["bf16", "tf32"] | None = _key(
        None, "faster, coarser products: bf16 (CPUs that have it; stacks on GPUs), tf32 (GPUs)"
    )
    cuda_graph: bool | Literal["auto"] = _key(
        "auto", "record training steps on a GPU as CUDA graphs; true: those with custom code, too"
    )
    sweep: SweepKeys = field(
        default_factory=SweepKeys, metadata={"help": "what concerns all runs of a sweep"}
    )
    compile: bool = _key(
        False, "torch.compile the network: slower to start, pays for long runs of deep networks"
    )


@dataclass(frozen=True, kw_only=True)
class LoaderKeys:
    """`data.*`: how a data set is split and loaded, beside its own arguments."""

    task: Task = field(metadata={"help": "classification or regression", "required": True})
    batch_size: Annotated[int, Ge(1)] = _key(128, "training examples per optimizer step", required=True)
    eval_batch_size: Annotated[int, Ge(1)] = _key(1024, "validation and test examples per batch")
    val_fraction: Annotated[float, Ge(0), Lt(1)] = _key(
        0.1, "share of the training examples to validate on, fixed and stratified; 0: none", required=True
    )
    split_seed: Annotated[int, Ge(0)] = _key(
        0, "draws validation examples, folds and, unless they are official, test examples"
    )
    folds: Annotated[int, Ge(2)] | None = _key(None, "cross-validation: the number of stratified folds")
    fold: Annotated[int, Ge(0)] | None = _key(
        None, "from 0: the fold to test on, or to validate on if the test set is official"
    )
    label_noise: Annotated[float, Ge(0), Le(1)] = _key(
        0.0, "share of the training labels replaced by another class; for classification"
    )
    augment: dict[str, float] | None = _key(  # noqa: RUF009  makes a field
        None, "random changes of training examples: {flip: 0.5, rotate: 10, shift: 2, mixup: 0.2}"
    )
    scale_targets: bool = _key(
        False, "regression: errors in units of the training targets' standard deviation"
    )
    shuffle: bool = _key(True, "false: the same order of the training examples in every epoch")
    normalize: bool | Literal["channels"] = _key(
        True, "subtract the training inputs' mean, divide by their deviation; channels: by channel"
    )
    pca: Annotated[int, Ge(1)] | None = _key(
        None, "how many principal components replace the inputs; null: the inputs themselves"
    )


@dataclass(frozen=True, kw_only=True)
class OptimizerKeys:
    """`optim.*`: how an optimizer is used, beside its own arguments."""

    elementwise: bool = _key(False, "true: it updates each value by itself, so runs of a stack may share it")


@dataclass(frozen=True, kw_only=True)
class ScheduleKeys:
    """`schedule.*`: a learning-rate schedule, beside `schedule.scheduler`, the class to build."""

    interval: Literal["step", "epoch"] = _key(
        "epoch", "when the schedule advances: after each step or each epoch"
    )
    monitor: str | None = _key(None, "the metric that ReduceLROnPlateau watches, such as val/loss")


@dataclass(frozen=True, kw_only=True)
class MetricKeys:
    """`metrics.NAME.*`: how a metric is used, beside the arguments of its class."""

    mode: Literal["max", "min"] | None = _key(
        None, "which way is better; null: what is known of the metric or its class"
    )
    scores: Literal["logits", "probs", "positive", "labels"] | None = _key(
        None, "what it gets; positive: probability of the second class; null: as its class says"
    )


def defaults(schema: type) -> Config:
    """The defaults of a schema as plain data; a key without a default is left out.

    >>> defaults(SweepKeys)
    {'on_fail': 'continue'}
    """
    values: Config = {}
    for key in fields(schema):
        if key.default is not MISSING:
            values[key.name] = key.default
        elif key.default_factory is not MISSING:
            values[key.name] = defaults(type(key.default_factory()))
    return values


def loader_defaults(task: Task) -> Config:
    """What every data set of a task has: the task and the loader's keys with their defaults."""
    values = {"task": task, **defaults(LoaderKeys)}
    del values["scale_targets" if task == "classification" else "label_noise"]
    return values


def sklearn_task(name: str) -> Task:
    """The task of a table inside scikit-learn (`data=sklearn`), which its name tells."""
    return "regression" if name == "diabetes" else "classification"


def names(schema: type) -> tuple[str, ...]:
    """The keys of a schema, in order."""
    return tuple(key.name for key in fields(schema))


def required(schema: type) -> tuple[str, ...]:
    """The keys that a configuration must have."""
    return tuple(key.name for key in fields(schema) if key.metadata.get("required"))


def help_text() -> str:
    """A line for each key: its name, its default and what it means."""
    rows = [
        *_rows("", RunKeys),
        *_rows("data.", LoaderKeys),
        *_rows("optim.", OptimizerKeys),
        *_rows("schedule.", ScheduleKeys),
        *_rows("metrics.NAME.", MetricKeys),
    ]
    width = max(len(written) for written, _ in rows)
    return "\n".join(f"{written:<{width}}  {meaning}" for written, meaning in rows)


def _rows(prefix: str, schema: type) -> Iterator[tuple[str, str]]:
    for key in fields(schema):
        default: Any = key.default_factory() if key.default_factory is not MISSING else key.default
        if is_dataclass(default):
            yield from _rows(f"{prefix}{key.name}.", type(default))
        elif default is MISSING:
            yield f"{prefix}{key.name}=...", key.metadata["help"]
        else:
            yield f"{prefix}{key.name}={_written(default)}", key.metadata["help"]


def _written(value: object) -> str:
    """A value as the command line has it."""
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)
