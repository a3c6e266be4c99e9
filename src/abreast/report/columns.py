"""The columns that show how settings differ. They are a choice of what to show, and decide nothing."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from abreast.config.identity import Scalar
from abreast.config.targets import GROUPS
from abreast.report.settings import ABSENT, Settings, ShownFloat, ShownText, format_setting

ALIKE = "settings"  # the column of settings that no key tells apart
DATA = "data"  # what follows from other data alone is left out: the data say what is compared at all
NAMED = GROUPS[:-1]  # a trainer's name often says no more than where it runs


@dataclass(frozen=True, eq=False)
class Distinct:
    """One of the settings that are shown, distinct from all others.

    Attributes:
        key: The exact identity.
        flat: All keys, to be shown.
        identified: The keys that tell settings apart, without those at their default.
        derived: Keys beside the configuration, such as the digest of the data.
        overridden: The keys that its command lines set; None if they are not known.
    """

    key: object
    flat: Settings
    identified: Settings
    derived: Settings
    overridden: Collection[str] | None = None


def shown_settings(distinct: Sequence[Distinct]) -> list[dict[str, Scalar]]:
    """Choose the columns that tell settings apart, and what is written in them.

    The option's name stands for the keys that follow from it. A key that follows from others that are shown
    is left out: one that always equals another (`max_lr`, set to `${optim.lr}`), and one that is a function
    of the others and that no command line sets. Floats get as many digits as tell them apart.

    Args:
        distinct: All settings, each once.

    Returns:
        For each the values of all columns; two are never equal. `ABSENT` stands where a key does not apply.
    """
    names = _names(distinct)
    flats = [{**item.flat, **item.derived, **given} for item, given in zip(distinct, names, strict=True)]
    told = [{**item.identified, **item.derived} for item in distinct]
    columns = [key for key in NAMED if len({row[key] for row in names}) > 1]
    option = {key: _codes([row[key] for row in names]) for key in GROUPS}
    selected = _partition([option[key] for key in columns], len(distinct))
    of_data = option[DATA] if DATA in columns else [0] * len(distinct)
    values = {key: [flat.get(key, ABSENT) for flat in flats] for key in _varied(told)}
    overrides = [item.overridden for item in distinct]
    is_known = all(item is not None for item in overrides)
    overridden = {key for item in overrides for key in item or ()}
    for key in sorted(values, key=lambda key: (key not in overridden, key.count("."), _position(key))):
        codes = _codes([row.get(key, ABSENT) for row in told])
        group = key.split(".")[0]
        follows_option = group in option and _is_function(codes, option[group])
        derived = any(key in item.derived for item in distinct)
        may_follow = derived or (is_known and key not in overridden)
        if (
            (follows_option and group in columns)
            or (may_follow and _is_function(codes, of_data if group == DATA else selected))
            or (
                key not in overridden
                and any(_repeats(values[key], values[other]) for other in columns if other in values)
            )
        ):
            continue
        columns.append(key)
        selected = _partition([selected, codes], len(distinct))
        if group == DATA:
            of_data = _partition([of_data, codes], len(distinct))
    columns.sort(key=_position)
    rows = [{key: flat.get(key, ABSENT) for key in columns} for flat in flats]
    _write_texts(rows, columns)
    _tell_the_rest(rows, distinct)
    return rows


def _names(distinct: Sequence[Distinct]) -> list[dict[str, Scalar]]:
    """The options' names; equal parts of a configuration have one name, the first."""
    first: dict[tuple[object, ...], Scalar] = {}
    rows = []
    for item in distinct:
        row = {}
        for group in GROUPS:
            part = tuple((key, _typed(v)) for key, v in item.identified.items() if key.split(".")[0] == group)
            row[group] = first.setdefault((group, *part), item.flat.get(group, ABSENT))
        rows.append(row)
    return rows


def _varied(told: Sequence[Settings]) -> list[str]:
    keys = dict.fromkeys(key for row in told for key in row)
    return [key for key in keys if len({_typed(row.get(key, ABSENT)) for row in told}) > 1]


def _typed(value: Scalar) -> tuple[str, str]:
    """What equal values of equal type have in common."""
    return ("absent", "") if value is ABSENT else (type(value).__name__, repr(value))


def _codes(values: Sequence[Scalar]) -> list[int]:
    codes: dict[object, int] = {}
    return [codes.setdefault(_typed(value), len(codes)) for value in values]


def _partition(columns: Sequence[Sequence[int]], size: int) -> list[int]:
    codes: dict[tuple[int, ...], int] = {}
    return [codes.setdefault(tuple(column[n] for column in columns), len(codes)) for n in range(size)]


def _is_function(codes: Sequence[int], of: Sequence[int]) -> bool:
    return len({*zip(of, codes, strict=True)}) == len({*of})


def _repeats(column: Sequence[Scalar], other: Sequence[Scalar]) -> bool:
    """Whether a column repeats another one wherever it has a value."""
    pairs = [(a, b) for a, b in zip(column, other, strict=True) if a is not ABSENT]
    return all(_typed(a) == _typed(b) for a, b in pairs) and len({_typed(a) for a, _ in pairs}) > 1


def _position(key: str) -> tuple[int, int, str]:
    group = key.split(".")[0]
    return (GROUPS.index(group) if group in GROUPS else len(GROUPS), key.count("."), key)


def _write_texts(rows: Sequence[dict[str, Scalar]], columns: Sequence[str]) -> None:
    """Give values that would read alike more digits, or quotes, until they differ."""
    for key in columns:
        values = {_typed(row[key]): row[key] for row in rows}
        texts = _texts(values)
        for row in rows:
            value, text = row[key], texts[_typed(row[key])]
            if value is ABSENT or text == format_setting(value):
                continue
            shown: ShownFloat | ShownText
            if isinstance(value, float):
                shown = ShownFloat(value)
            elif isinstance(value, str):
                shown = ShownText(value)
            else:
                continue
            shown.text = text
            row[key] = shown


def _texts(values: Mapping[tuple[str, str], Scalar]) -> dict[tuple[str, str], str]:
    for digits in range(6, 18):
        texts = {typed: _with_digits(value, digits) for typed, value in values.items()}
        if len({*texts.values()}) == len(texts):
            return texts
    return {typed: "" if v is ABSENT else json.dumps(v, ensure_ascii=False) for typed, v in values.items()}


def _with_digits(value: Scalar, digits: int) -> str:
    return f"{value:.{digits}g}" if isinstance(value, float) else format_setting(value)


def _tell_the_rest(rows: Sequence[dict[str, Scalar]], distinct: Sequence[Distinct]) -> None:
    """Number settings that no column tells apart."""
    alike: dict[tuple[tuple[str, str], ...], list[int]] = {}
    for index, row in enumerate(rows):
        alike.setdefault(tuple((key, format_setting(value)) for key, value in row.items()), []).append(index)
    if len(alike) == len(distinct):
        return
    for indices in alike.values():
        for number, index in enumerate(indices, start=1):
            rows[index][ALIKE] = f"#{number}" if len(indices) > 1 else ABSENT
