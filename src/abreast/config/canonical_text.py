"""One text for equal plain data, by which configurations are told apart. No torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

# Texts that Python or JSON writes for keys that are no texts; numbers are recognized by reading them.
_OTHERS = frozenset(("true", "false", "null", "NaN", "Infinity", "True", "False", "None", "nan", "inf"))


def canonical_text(value: Any) -> str:
    """JSON that differs where two values do, in type too: `true`, `1`, `1.0` and `"1"` are four values.

    >>> canonical_text({"b": 1, "a": 1.0}), canonical_text({1: 0}) == canonical_text({"1": 0})
    ('{"a": 1.0, "b": 1}', False)
    """
    return json.dumps(_ordered(value), default=str)


def text_of_mapping(texts: Mapping[str, str]) -> str:
    """The canonical text of a mapping, from those of its values.

    >>> text_of_mapping({"b": canonical_text([1]), "a": canonical_text("x")})
    '{"a": "x", "b": [1]}'
    """
    return "{" + ", ".join(f"{json.dumps(_quoted(key))}: {texts[key]}" for key in sorted(texts)) + "}"


def _ordered(node: Any) -> Any:
    if node is None or isinstance(node, (str, int, float)):  # most are; a Mapping takes longer to tell
        return node
    if isinstance(node, Mapping):
        try:
            keys = sorted(node)
        except TypeError:  # of several types
            keys = sorted(node, key=repr)
        return {_quoted(key) if isinstance(key, str) else key: _ordered(node[key]) for key in keys}
    return [_ordered(item) for item in node] if isinstance(node, (list, tuple)) else node


@lru_cache(maxsize=4096)
def _quoted(key: str) -> str:
    if key.isidentifier() and key not in _OTHERS:
        return key
    try:
        json.loads(key)
    except ValueError:
        return json.dumps(key) if key in _OTHERS else key
    return json.dumps(key)
