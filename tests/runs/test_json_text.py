"""JSON of run directories: that of the standard library, with lists of numbers on one line."""

from __future__ import annotations

import json
import random
import re
from typing import Any

import pytest

from abreast.runs.json_text import json_text


def drawn(source: random.Random, depth: int = 0) -> Any:
    leaves = [
        source.random() * 10 ** source.randrange(-20, 20),
        None,
        True,
        -3,
        10**30,
        'é\n"[x',
        "[\n1\n]",
        [],
        {},
    ]
    if depth > 3 or source.random() < 0.4:
        return source.choice(leaves)
    if source.random() < 0.5:
        return [drawn(source, depth + 1) for _ in range(source.randrange(4))]
    return {
        source.choice('abé"') + str(number): drawn(source, depth + 1) for number in range(source.randrange(4))
    }


def test_it_is_the_text_of_the_standard_library_but_for_lists_of_numbers() -> None:
    source = random.Random(0)
    for _ in range(500):
        content = {"x": drawn(source), "y": [drawn(source), 1, 2.5]}
        text = json.dumps(content, indent=2, ensure_ascii=False)
        expected = re.sub(r"\[\n([^\[\]{}\"]*)\n *\]", lambda match: f"[{' '.join(match[1].split())}]", text)
        assert json_text(content) == expected
        assert json.loads(json_text(content)) == content


@pytest.mark.parametrize("value", [float("nan"), [1.0, float("inf")], {"a": [[-float("inf")]]}])
def test_a_number_that_is_not_finite_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_text({"x": value})
