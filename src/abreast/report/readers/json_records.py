"""Tables in JSON as records, one for each run, in the shapes that pandas and dictionaries of results have."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

from abreast.errors import RunError
from abreast.report.readers.foreign_run import as_number, flat
from abreast.report.readers.metric_names import STAGES, is_measured, is_metric, split_stage
from abreast.report.readers.run_names import SEED_IN_NAME
from abreast.report.readers.settings import SEEDS, base_name
from abreast.runs.small_file import parse_json

MOST_LEVELS = 4  # methods, data sets and seeds inside one another
MOST_RESULTS = 2_000  # of a record, or columns; where more stand side by side, they are names of runs
MOST_DIGITS = 15  # of a seed or an index; longer ones are names
LISTS = ("results", "runs", "data", "records", "rows", "experiments", "trials")
# Parts of a file that hold settings.
PARTS = (
    *("config", "params", "hparams", "args", "hyperparameters", "hyper_parameters", "settings", "parameters"),
)


def parse_records(text: str, path: Path) -> Any:
    """What a JSON text holds; where it is a value a line, the list of these.

    Raises:
        RunError: It is neither; the message names the file.
    """
    text = text.strip()
    try:
        return parse_json(text, path)
    except RunError as error:
        lines = [line for line in text.splitlines() if line.strip()]
        try:
            first = parse_json(lines[0], path) if len(lines) > 1 else None
        except RunError:
            first = None
        if not isinstance(first, Mapping):
            raise error from None
        return [first, *(parse_json(line, path) for line in lines[1:])]


def records(content: Any, metric: str | None = None) -> list[Mapping[str, Any]] | None:
    """The records of a table; None if what a file holds is no table, but maybe a single run.

    Args:
        content: What the file holds.
        metric: A result, whatever its name.

    >>> records({"acc": {"0": 0.9, "1": 0.8}, "opt": {"0": "a", "1": "b"}})  # pandas' to_json
    [{'acc': 0.9, 'opt': 'a'}, {'acc': 0.8, 'opt': 'b'}]
    >>> records({"resnet": {"acc": 0.9}, "vgg": {"acc": 0.8}})
    [{'name': 'resnet', 'acc': 0.9}, {'name': 'vgg', 'acc': 0.8}]
    >>> records({"resnet": [0.9, 0.8], "vgg": [0.7, 0.6]}, "accuracy")[1:3]
    [{'name': 'resnet', 'rep': 1, 'accuracy': 0.8}, {'name': 'vgg', 'rep': 0, 'accuracy': 0.7}]
    """
    if isinstance(content, list):
        return list(content) if content and all(isinstance(part, Mapping) for part in content) else None
    if not isinstance(content, Mapping):
        return None
    columns, data = content.get("columns"), content.get("data")
    if isinstance(columns, list) and isinstance(data, list) and {*map(type, data)} == {list}:
        return [dict(zip(map(str, columns), row, strict=False)) for row in data]
    for key in LISTS:
        inner = content.get(key)
        if isinstance(inner, list) and inner and all(isinstance(part, Mapping) for part in inner):
            above = _settings_above(content)
            return [{**above, **part} for part in inner] if above else list(inner)
    parts = list(content.values())
    if not parts or not all(isinstance(part, Mapping) and part for part in parts):
        return _lists(content, metric)
    indices = [{*map(str, part)} for part in parts]
    is_metric_above = any(is_metric(str(key)) or key == metric for key in islice(content, MOST_RESULTS))
    is_indexed = all(index == indices[0] for index in indices) and all(map(str.isdecimal, indices[0]))
    if is_metric_above and is_indexed:
        return [{key: part[row] for key, part in content.items()} for row in parts[0]]
    if is_metric_above or _are_stages(content):
        return None
    return _by_name(content, metric) if len(parts) > 1 else None


def _settings_above(content: Mapping[str, Any]) -> dict[str, Any]:
    """What a file says of all its records beside their list: settings, and no results."""
    above: dict[str, Any] = {}
    for key, value in content.items():
        if isinstance(value, Mapping) and key in PARTS:
            above |= flat(value)
        elif isinstance(value, (str, int, float)) and not is_metric(key) and not is_measured(key):
            above[key] = value
    return above


def _are_stages(content: Mapping[str, Any]) -> bool:
    """Whether the parts are what one run reaches on each of its splits."""
    return all(str(key).lower() in STAGES for key in content)


def _lists(content: Mapping[str, Any], metric: str | None) -> list[Mapping[str, Any]] | None:
    """The repeats of methods, a list each; not a history of training."""
    parts = content.values()
    if metric is None or not all(isinstance(part, list) and part for part in parts) or len(content) < 2:
        return None
    if any(is_metric(key) or key == metric for key in content) or not all(map(_are_numbers, parts)):
        return None
    return [
        {"name": name, "rep": repeat, metric: value}
        for name, part in content.items()
        for repeat, value in enumerate(part)
    ]


def _are_numbers(part: list[Any]) -> bool:
    return all(as_number(value) is not None for value in part)


def _by_name(content: Mapping[str, Any], metric: str | None) -> list[Mapping[str, Any]] | None:
    """Records by the names that lead to them: of methods, seeds, or rows that are numbered."""
    made: list[Mapping[str, Any]] = []

    @lru_cache(maxsize=1024)
    def is_result(key: str) -> bool:
        return is_metric(key) or key == metric

    def visit(node: Mapping[str, Any], names: dict[str, Any]) -> bool:
        if any(map(is_result, islice(node, MOST_RESULTS))) or _are_stages(node):
            made.extend(_repeats(node, names, metric))
            return True
        return (
            len(names) < MOST_LEVELS
            and all(isinstance(part, Mapping) and part for part in node.values())
            and all(visit(part, names | _name(str(key), names)) for key, part in node.items())
        )

    return made if visit(content, {}) and len(made) > 1 else None


def _name(key: str, names: Mapping[str, Any]) -> dict[str, Any]:
    seed = SEED_IN_NAME.fullmatch(key)
    digits = seed[2] if seed is not None else key
    if digits.isdecimal() and len(digits) <= MOST_DIGITS:
        return {"seed" if seed is not None or names else "index": int(digits)}
    return {f"name{len(names) + 1}" if "name" in names else "name": key}


def _repeats(
    node: Mapping[str, Any], names: Mapping[str, Any], metric: str | None
) -> list[Mapping[str, Any]]:
    """A record, or where its results are lists of one length a record for each repeat; other lists stay."""
    numbers = {
        key: part for key, part in node.items() if isinstance(part, list) and part and _are_numbers(part)
    }
    lists = {key: part for key, part in numbers.items() if is_metric(key) or key == metric}
    lengths = {*map(len, lists.values())}
    if any(split_stage(key)[0] == "train" or split_stage(key)[1].lower() == "loss" for key in lists):
        return [{**names, **node, **{key: part[-1] for key, part in lists.items()}}]  # a history of training
    if len(lengths) != 1 or "seed" in names:
        return [{**names, **node}]
    count = lengths.pop()
    seeds = next((k for k, v in numbers.items() if len(v) == count and _is_seed(k)), None)
    if seeds is not None:
        lists["seed"] = numbers[seeds]
    others = {key: part for key, part in node.items() if key not in lists and key != seeds}
    return [
        {
            **names,
            **({} if seeds else {"rep": repeat}),
            **others,
            **{key: part[repeat] for key, part in lists.items()},
        }
        for repeat in range(count)
    ]


def _is_seed(key: str) -> bool:
    return base_name(key).removesuffix("s") in SEEDS
