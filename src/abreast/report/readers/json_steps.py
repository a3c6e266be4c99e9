"""Whether records of JSON are the steps of one training, or a run each."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

from abreast.config.identity import Scalar
from abreast.report.readers.csv_rows import FOLDS
from abreast.report.readers.curves import EPOCHS, FEWEST, LEAST_REGULAR
from abreast.report.readers.foreign_run import as_number, flat
from abreast.report.readers.json_records import PARTS
from abreast.report.readers.metric_names import is_measured, is_metric
from abreast.report.readers.settings import REPEATS, SEEDS, base_name

# Logged with each step of a training, and no settings: Ray Tune's ends, times of day.
_LOGGED = re.compile(
    r"((wall_?|local|start|end|current|log)_?)?(time_?stamp|date_?time|date|time|clock)|done|should_checkpoint"
)
_IDS = re.compile(r"(.*_)?(ids?|idx|index|uuid|name)")


def counted(content: list[Any]) -> list[float] | None:
    """The numbers that all records count upwards; None if there are none."""
    if not content or not all(isinstance(part, Mapping) for part in content):
        return None
    everywhere = set(content[0]).intersection(*content)
    for name in [name for name in content[0] if name in everywhere and base_name(name) in EPOCHS]:
        steps = [as_number(part[name]) for part in content]
        if None not in steps:
            numbers = [step for step in steps if step is not None]
            is_upwards = numbers == sorted(numbers) and (len({*numbers}) > 1 or len(numbers) == 1)
            return numbers if is_upwards else None
    return None


def are_steps(content: list[Any]) -> bool:
    """Whether records are the steps of one training, not a run each.

    They count upwards, and all that is neither a result nor measured is alike in them: seeds, ids, words, and
    numbers, too, unless the steps are regular. Others are for the reader of tables.
    """
    steps = counted(content)
    if steps is None or any(_are_side_by_side(*pair) for pair in pairwise(zip(steps, content, strict=True))):
        return False
    gaps = Counter(after - before for before, after in pairwise(sorted({*steps})))
    is_regular = bool(gaps) and max(gaps.values()) >= max(FEWEST - 1, LEAST_REGULAR * gaps.total())
    values: dict[str, set[Any]] = {}
    for record in content:
        for key, value in flat(record).items():
            values.setdefault(key, set()).add(value)
    return all(_is_logged(key, given, is_regular) for key, given in values.items() if len(given) > 1)


def _are_side_by_side(
    first: tuple[float, Mapping[str, Any]], second: tuple[float, Mapping[str, Any]]
) -> bool:
    """Whether two records have another value of one result at the same step, as those of two runs."""
    same = first[0] == second[0]
    return same and any(
        is_metric(key) and first[1][key] != second[1].get(key, first[1][key]) for key in first[1]
    )


def _is_logged(key: str, values: Iterable[Any], is_regular: bool) -> bool:
    """Whether a value that changes from record to record may be logged in one training."""
    name = base_name(key)
    if _LOGGED.fullmatch(name):
        return True
    if any(value is not None and as_number(value) is None for value in values):
        return False
    if _is_result(key):
        return True
    is_setting = name in (*SEEDS, *REPEATS, *FOLDS) or _IDS.fullmatch(name) or key.partition(".")[0] in PARTS
    return is_regular and not is_setting


def settings_of_steps(content: list[Any]) -> dict[str, Scalar]:
    """What all the records of a training say alike, where they have no part for its settings."""
    if not content or any(key in PARTS for record in content for key in record):
        return {}
    rows = [flat(record) for record in content]
    return {
        key: value
        for key, value in rows[0].items()
        if all(key in row and row[key] == value for row in rows) and not _is_result(key)
    }


def _is_result(key: str) -> bool:
    return is_metric(key) or is_measured(key) or base_name(key) in EPOCHS
