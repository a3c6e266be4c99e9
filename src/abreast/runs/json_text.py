"""JSON as the files of a run directory hold it: indented, with lists of numbers on one line. No torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def json_text(content: Mapping[str, Any]) -> str:
    """The text of a JSON object: `json.dumps` with an indent of 2, but a confusion matrix fills no pages.

    Args:
        content: Plain data with texts as keys.

    Raises:
        ValueError: For a number that is not finite.

    >>> print(json_text({"metrics": {"loss": 0.5}, "confusion": [[3, 1], [0, 4]], "classes": ["a"]}))
    {
      "metrics": {
        "loss": 0.5
      },
      "confusion": [
        [3, 1],
        [0, 4]
      ],
      "classes": [
        "a"
      ]
    }
    """
    return _indented(content, "\n")


def _indented(value: Any, line: str) -> str:
    """The text of a value, with what begins its lines but the first."""
    inner = f"{line}  "
    if isinstance(value, Mapping) and value:
        items = [f"{_plain(str(key))}: {_indented(child, inner)}" for key, child in value.items()]
        return f"{{{inner}{f',{inner}'.join(items)}{line}}}"
    if isinstance(value, (list, tuple)) and any(
        isinstance(item, (str, list, tuple, Mapping)) for item in value
    ):
        return f"[{inner}{f',{inner}'.join([_indented(item, inner) for item in value])}{line}]"
    return _plain(value)


_plain = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
