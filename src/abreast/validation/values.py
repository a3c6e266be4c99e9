"""Values that no key can have: numbers and texts that would be other ones once they are used."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from abreast.suggestions import listed

LARGEST = 2**63 - 1  # of torch's whole numbers
SMALLEST = 2.0**-1022  # smaller ones are subnormal, which a run computes as 0
LONGEST = 40  # characters of a value in a message


def check_values(value: object, key: str = "") -> Iterator[str]:
    """A message for each value in plain data that nothing can use.

    Args:
        value: A part of a configuration.
        key: Its dotted key.
    """
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _text(str(name), f"{key or 'the configuration'}: the key")
            yield from check_values(inner, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list):
        for index, element in enumerate(value):
            yield from check_values(element, f"{key}[{index}]")
    elif isinstance(value, str):
        yield from _text(value, f"{key}:")
    elif isinstance(value, int) and abs(value) > LARGEST:
        yield f"{key}: {shortened(value)} is too large: whole numbers go up to {LARGEST}"
    elif isinstance(value, float) and 0 < abs(value) < SMALLEST:
        yield f"{key}: {value} is too small to compute with; write 0 if that is meant"


def _text(text: str, where: str) -> Iterator[str]:
    odd = [name for pattern, name in _ODD.items() if pattern.search(text)]
    if odd:
        shown = text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
        yield f"{where} {shown!r} has {listed(odd)} in it, which no file can hold"


_ODD = {re.compile("\0"): "a zero byte", re.compile("[\ud800-\udfff]"): "half a character (not UTF-8)"}


def shortened(value: object) -> str:
    """A value as text, in the middle of a message.

    >>> shortened(10**50)
    'a number of 51 digits'
    """
    if isinstance(value, int) and abs(value) >= 10**LONGEST:
        digits = int(value.bit_length() * 0.30103) + 1
        return f"a number of {digits - (10 ** (digits - 1) > abs(value))} digits"
    return str(value)
