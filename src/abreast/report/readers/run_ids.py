"""Which settings of others' runs only tell these apart: numbers, drawn names, paths of files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from statistics import median

from abreast.config.identity import Scalar
from abreast.report.readers.foreign_run import ForeignRun

_NUMBER = re.compile(r"(.*_)?(id|idx|index)|number|no|nr|#|job", re.IGNORECASE)
_PATH = re.compile(
    r"^([A-Za-z]:)?[\\/]|^[.~]+/|\.(pth?|ckpt|bin|h5|keras|pkl|npz?|png|json|log|ya?ml|csv|txt|safetensors)$"
)
_DRAWN = re.compile(
    r"[a-z]+-[a-z]+-\d+|(?=.*\d)[0-9a-f]{6,64}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?=.*\d)[a-z0-9]{8}"
)
_HASH = re.compile(r"(?=.*\d)[0-9a-f]{6,64}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
MOST_LENGTH = 60  # of the name of a setting
MOST_SHARED = 0.1  # of the paths of a column that only tells runs apart


def tells_apart(
    runs: Sequence[ForeignRun],
    key: str,
    others: Sequence[str],
    *,
    is_counter: bool,
    is_method: bool,
    is_seeded: bool,
) -> bool:
    """Whether a setting only tells runs apart: another one for each, while other settings recur.

    Without a seed, a text that differs for each run may be the method: it only tells apart where it looks
    drawn or counted (`run-3`, `fluffy-cloud-12`, `3f9a0c1e`), is a sentence, or the others tell as much.

    Args:
        runs: The runs.
        key: The setting.
        others: The other settings, without names and dates.
        is_counter: Whether the setting is called like the number of a repetition.
        is_method: Whether the setting is called like what is compared: a numbered one (`resnet18`) counts.
        is_seeded: Whether another setting is the seed, and differs.
    """
    values = [run.settings.get(key) for run in runs]
    given = [value for value in values if value is not None]
    texts = [str(value) for value in given]
    if len(given) < 3:
        return False
    are_paths = all(map(_PATH.search, texts))
    fewest = len(texts) * (1 - MOST_SHARED) if are_paths else len(values)
    columns = [[run.settings.get(other) for run in runs] for other in others]
    plain = [column for column in columns if not all(_PATH.search(str(value)) for value in column)]
    is_sentence = _is_long(given) and 2 * len({*texts}) > len(values) and not is_method
    if is_sentence and any(len({*column}) > 1 and not _is_long(column) for column in plain):
        return True  # answers, messages
    if are_paths and plain and len({*zip(*plain, strict=True)}) == len(values):
        return True  # each run's own file
    recurring = [column for column in columns if 1 < len({*column}) < len(values)]
    if not recurring or len({*values}) < fewest:
        return False
    if all(type(value) is int for value in values):
        return is_counter or _NUMBER.fullmatch(key.rpartition(".")[2].strip()) is not None
    if not all(type(value) is str for value in given):
        return False
    is_told = len({*zip(*recurring, strict=True)}) == len(values)
    return is_seeded or is_told or _are_drawn(texts, is_method=is_method)


def _is_long(values: Sequence[Scalar]) -> bool:
    """Whether most values are sentences."""
    return median(len(str(value)) for value in values) > MOST_LENGTH


def _are_drawn(names: Sequence[str], *, is_method: bool) -> bool:
    """Whether names are drawn or counted by a tool."""
    if is_method:
        return all(map(_HASH.fullmatch, names))
    return all(map(_DRAWN.fullmatch, names)) or len({re.sub(r"\d+", "0", name) for name in names}) == 1
