"""Which columns of a table count the steps of a training, and which are logged beside them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from abreast.report.readers.csv_rows import FOLDS
from abreast.report.readers.csv_table import Row
from abreast.report.readers.foreign_run import as_number
from abreast.report.readers.metric_names import is_metric
from abreast.report.readers.settings import REPEATS, SEEDS, base_name

OFTEN_SETTINGS = ("iter", "episode", "generation")  # unless the rows of each run stand below one another
EPOCHS = (
    *("epoch", "step", "iteration", "global_step", "training_iteration", *OFTEN_SETTINGS),
    *("timestep", "timesteps", "total_timesteps", "timesteps_total", "env_step"),  # of reinforcement learning
)
ROUNDS = ("round", "communication_round", "fl_round")  # of federated learning, or repetitions
# What is the same in all steps of a run.
COMPARED = (
    *("model", "method", "arch", "architecture", "backbone", "network", "optimizer", "optim"),
    *("algorithm", "algo", "approach", "classifier", "estimator"),
)
FEWEST = 3  # rows of a run
LEAST_REGULAR = 0.7  # share of steps that are equally far from the next one
_STEP = re.compile(  # `epoch 3`, `3/100`, `10k`, `1,000`, and the row that ends a curve
    r"\s*(?:(?:epoch|step|iter|iteration)[\s_:#-]?)?\d[\d,_]{0,15}\s?[kM]?(?:\s?/\s?\d{1,15})?\s*|final|last|end",
    re.IGNORECASE,
)
_CLOCK = re.compile(
    r"(wall_?|(local|start|end|current|log)_)?(time_?stamp|date_?time|date|time|clock)|created(_at)?"
)


def counters(rows: Sequence[Row]) -> list[str]:
    """The columns that count epochs or the like; rounds only beside a seed: else they may be repeats.

    >>> counters([{"trainer/global_step": "1", "total timesteps": "8192", "epochs": "9", "round": "1"}])
    ['trainer/global_step', 'total timesteps']
    """
    names = {column: base_name(column) for column in rows[0]}
    known = (*EPOCHS, *ROUNDS) if {*names.values()} & {*SEEDS} else EPOCHS
    return [
        column
        for column, name in names.items()
        if name in known and _counts(rows, column) and (name not in OFTEN_SETTINGS or _blocks(rows, column))
    ]


def _counts(rows: Sequence[Row], column: str) -> bool:
    """Whether the given cells of a column are numbers; others may be a method's (`greedy`, `beam`)."""
    given = [row[column] for row in rows if row[column].strip()]
    return bool(given) and all(as_number(cell) is not None or _STEP.fullmatch(cell) for cell in given)


def logged_columns(rows: Sequence[Row]) -> set[str]:
    """The columns that are logged in the course of a training, and are no settings of it.

    These are times of day, and where the rows of each run stand below one another all numbers that change
    from step to step of a run, such as a learning rate that falls twice, and texts that do at most steps.
    """
    steps = counters(rows)
    clocks = {c for c in rows[0] if _CLOCK.fullmatch(base_name(c))} if steps else set()
    blocks = next(filter(None, (_blocks(rows, column) for column in steps)), [])
    runs = {c for c in rows[0] if base_name(c).removesuffix("_name") in (*SEEDS, *REPEATS, *FOLDS, *COMPARED)}
    if any(row[column] != block[0][column] for block in blocks for row in block for column in runs):
        return clocks
    changing = {
        column
        for column in rows[0]
        if any(len({row[column] for row in block if row[column]}) > 1 for block in blocks)
    }
    return clocks | {
        column
        for column in changing
        if all(as_number(row[column]) is not None for row in rows if row[column])
        or all(2 * len({row[column] for row in block}) > len(block) for block in blocks)
    }


def _blocks(rows: Sequence[Row], counter: str) -> list[list[Row]]:
    """The rows of each run, if these stand below one another and its steps are mostly regular; else none."""
    steps = [as_number(row[counter]) for row in rows]
    blocks: list[list[Row]] = []
    gaps: Counter[float] = Counter()
    before, last = None, rows[0]
    for row, step in zip(rows, steps, strict=True):
        if step is None:
            return []
        if before is None or step < before:
            blocks.append([])
        elif step > before:
            gaps[step - before] += 1
        elif any(row[c] and last[c] and row[c] != last[c] and is_metric(c) for c in row):
            return []  # several runs side by side
        blocks[-1].append(row)
        before, last = step, row
    distinct = [len({row[counter] for row in block}) for block in blocks]
    is_regular = gaps and gaps.most_common(1)[0][1] >= LEAST_REGULAR * gaps.total()
    return blocks if is_regular and min(distinct) >= FEWEST else []
