"""The types of what the JSON files of a run directory hold, and whether a file keeps to them. No torch.

A file that was damaged or edited can still be JSON. What reads it gets values of these types, or no value.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypedDict, TypeVar, Union, cast, get_args, get_origin, get_type_hints, is_typeddict

from abreast.config.types import is_number, is_whole
from abreast.runs.small_file import MOST_DIGITS

LIMIT = 10**MOST_DIGITS
MOST = sys.float_info.max
T = TypeVar("T", bound=Mapping[str, Any])


class ExecutionRecord(TypedDict, total=False):
    """How a run was executed. It does not enter the run's identity, but a report that mixes ways says so.

    Attributes:
        accelerator: Torch's name for the kind of device: `cpu` or `cuda`.
        device: The model of the device.
        processes: Processes that trained the run.
        threads: Torch's threads for one operation.
        stacked: Whether the run was a lane of a stack.
        lanes: Runs in the stack; 1 for a run that was trained individually.
        shared_batches: Whether lanes of one seed shared their mini-batches.
        kernels: `individual`; `batched` over lanes, bitwise identical; or `vmap`, equal within rounding.
        steps_per_execution: Mini-batches per call of `training_step`.
        products: Of stacks on a GPU: the forms of products of all lanes, by the GPU's name and their shape.
    """

    accelerator: str
    device: str
    processes: int
    threads: int
    stacked: bool
    lanes: int
    shared_batches: bool
    kernels: str
    steps_per_execution: int
    products: dict[str, dict[str, str]]


class DataRecord(TypedDict, total=False):
    """The data that a run was trained and tested on.

    Attributes:
        digest: Of the content of the data set, before it is split; see `abreast.data.digest`.
        train: Number of training examples.
        val: Number of validation examples.
        test: Number of test examples.
        classes: Number of classes; 0 for regression.
        class_counts_test: Test examples of each class; those that the loss ignores are left out.
        drawn: What the split seed and the fold draw first: `test`, or `val` if the test set is official.
        chance: The test's share of its most frequent class: accuracy without inputs; None for regression.
    """

    digest: str
    train: int
    val: int
    test: int
    classes: int
    class_counts_test: list[int]
    drawn: str
    chance: float | None


class ResultFile(TypedDict, total=False):
    """result.json: what a run leaves. Older releases wrote fewer keys.

    Attributes:
        status: `finished` or `dropped`.
        seed: The run's seed.
        task: `classification` or `regression`.
        metrics: The metrics of the tested weights by name (`val/loss`), and the test's. Each value is looked
            at by itself: one that is not a number is no metric.
        seconds: Time that the run took, over all processes that trained it.
        epoch: The tested epoch, from 1.
        step: Optimizer steps that made the tested weights.
        checkpoint: File name of the tested weights.
        parameters: Number of the network's parameters.
        examples: Number of examples by stage.
        facts: What is known of the data, e.g. `best_accuracy`.
        classes: Class names; none for regression.
        confusion: The test's confusion matrix, `confusion[label][prediction]`, or None.
        versions: Versions of what the run was made with, by package.
        execution: How the run was executed.
        data: What it was trained and tested on.
        sources: Digests of the files that define custom classes and functions, by `_target_`.
    """

    status: str
    seed: int
    task: str
    metrics: Any
    seconds: float
    epoch: int
    step: int
    checkpoint: str
    parameters: int
    examples: dict[str, int]
    facts: dict[str, float]
    classes: list[str]
    confusion: list[list[int]] | None
    versions: dict[str, str]
    execution: ExecutionRecord
    data: DataRecord
    sources: dict[str, str]


class WorstImage(TypedDict):
    """One image of worst.json."""

    example: int
    label: int
    prediction: int
    probability: float
    confidence: float


class WorstFile(TypedDict):
    """worst.json: the worst-classified test images, side by side in one PNG (base64)."""

    classes: list[str]
    height: int
    width: int
    images: list[WorstImage]
    png: str


def typed(content: Mapping[str, Any], schema: type[T]) -> tuple[T, list[str]]:
    """The values of a file that have the type that the schema gives their key.

    Args:
        content: What the file holds. Keys that the schema does not have are kept.
        schema: A TypedDict.

    Returns:
        The content without values of other types, and a message for each of these.
    """
    hints = _hints(schema)
    wrong = {key: value for key, value in content.items() if key in hints and not fits(value, hints[key])}
    problems = [f"{key} is {_shown(value)}, not {_name(hints[key])}" for key, value in wrong.items()]
    return cast("T", {key: value for key, value in content.items() if key not in wrong}), problems


def fits(value: Any, hint: Any) -> bool:
    """Whether a value from JSON is of a type; a whole number is a float, too, and a float is finite."""
    return _check(hint)(value)


@cache
def _check(hint: Any) -> Callable[[Any], bool]:
    """What tells whether a value fits; made once, as a report reads thousands of files."""
    if hint is Any:
        return lambda value: True
    if is_typeddict(hint):
        keys = {key: (_check(inner), key in hint.__required_keys__) for key, inner in _hints(hint).items()}
        return lambda value: (
            isinstance(value, dict)
            and all(
                check(value[key]) if key in value else not required for key, (check, required) in keys.items()
            )
        )
    checks = [_check(inner) for inner in get_args(hint)]
    if get_origin(hint) in (Union, types.UnionType):
        return lambda value: any(check(value) for check in checks)
    if get_origin(hint) is list:
        return lambda value: isinstance(value, list) and all(map(checks[0], value))
    if get_origin(hint) is dict:
        return lambda value: isinstance(value, dict) and all(map(checks[1], value.values()))
    if hint is int:
        return lambda value: is_whole(value, 1 - LIMIT) and value < LIMIT
    if hint is float:
        return lambda value: is_number(value) and -MOST <= value <= MOST
    if hint is bool or hint is type(None):
        return lambda value: type(value) is hint
    return lambda value: isinstance(value, hint) and not isinstance(value, bool)


@cache
def _hints(schema: type) -> Mapping[str, Any]:
    return get_type_hints(schema)


def _name(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) and get_origin(hint) is None else str(hint)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}…"


def data_digest(result: Mapping[str, Any]) -> str | None:
    """The digest of the data that a run was trained on, from its result.json; None where it has none."""
    data = result.get("data")
    digest = data.get("digest") if isinstance(data, Mapping) else None
    return digest if isinstance(digest, str) else None
