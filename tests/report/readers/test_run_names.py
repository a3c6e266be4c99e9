"""Settings that names tell, also names that were made to take long."""

from __future__ import annotations

import pytest

from abreast.config.identity import Scalar
from abreast.report.readers.run_names import settings_of_name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a/b/Hopper-v4__ppo__3__1700000000", {"env": "Hopper-v4", "run": "ppo", "seed": 3}),
        ("Hopper__v4__ppo__3__1700000000", {"env": "Hopper__v4", "run": "ppo", "seed": 3}),
        ("__ppo__3__1700000000", {"run": "ppo 3"}),
        ("adam_2024-01-31/3/7", {"run": "adam", "rep": 7}),
        ("/7", {"run": "7"}),
        ("adam/" + "1/" * 50_000 + "2", {"run": "adam", "rep": 2}),
        ("seed=1" + "_a" * 20_000, {"run": "a " * 19_999 + "a", "seed": 1}),
        ("_" * 100_000, {}),
        ("a__" * 50_000 + "b", {"run": "a " * 50_000 + "b"}),
        ("a" * 100_000, {"run": "a" * 100_000}),
    ],
    ids=range(10),
)
@pytest.mark.timeout(20)
def test_the_settings_of_a_name(name: str, expected: dict[str, Scalar]) -> None:
    assert settings_of_name(name) == expected
