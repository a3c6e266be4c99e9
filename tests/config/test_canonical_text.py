"""Keys of several types: different configurations never have one text, and older texts stay."""

from __future__ import annotations

import json
from itertools import combinations
from typing import Any

import pytest

from abreast.config.canonical_text import canonical_text
from abreast.config.identity import identity
from abreast.config.run_id import run_id
from support.helpers import compose

KEYS = (1, "1", 1.5, "1.5", True, "true", "True", None, "null", "None", '"1"', "-1", "nan", "a", " 1")


@pytest.mark.parametrize(("first", "second"), [*combinations(KEYS, 2)], ids=repr)
def test_keys_of_other_types_are_other_keys(first: Any, second: Any) -> None:
    config = compose()

    def with_key(key: Any) -> dict[str, Any]:
        return {**config, "optim": {**config["optim"], "groups": {key: 0}, "steps": [{key: 0}]}}

    assert canonical_text({first: 0}) != canonical_text({second: 0})
    assert run_id(with_key(first)) != run_id(with_key(second))
    assert identity(with_key(first)).settings != identity(with_key(second)).settings
    assert run_id(with_key(first)) == run_id(with_key(first))


@pytest.mark.parametrize("value", [{"b": [1, {"c": None}], "a": 1.0}, {10: 0, 9: 1}, [(1, 2)], "1", {}])
def test_texts_of_earlier_releases_stay(value: Any) -> None:
    assert canonical_text(value) == json.dumps(value, sort_keys=True)


def test_keys_of_several_types_in_one_place() -> None:
    assert canonical_text({1: 0, "1": 1, "a": 2}) == canonical_text({"a": 2, "1": 1, 1: 0})
    assert run_id({**compose(), "extra": {2: 0, "b": 1}}) != run_id({**compose(), "extra": {"2": 0, "b": 1}})
