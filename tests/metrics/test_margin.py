"""The margin of a comparison is a positive finite number that is smaller than the metric's range."""

from __future__ import annotations

import pytest

from abreast.errors import ConfigError
from abreast.metrics.margin import read_margin


@pytest.mark.parametrize("value", ["0.002", 0.002, "2e-3"])
def test_a_number_is_read(value: object) -> None:
    assert read_margin("margin", value, "test/accuracy") == 0.002


def test_a_metric_without_a_range_takes_any_margin() -> None:
    assert read_margin("margin", 5, "test/mae") == 5.0
    assert read_margin("margin", 1) == 1.0


@pytest.mark.parametrize("value", ["0", 0, -0.1, "nan", "inf", True, "small", "0,002", None, [0.1], 10**400])
def test_anything_else_is_refused_in_one_line(value: object) -> None:
    with pytest.raises(ConfigError, match=r"^--margin: must be a positive number") as error:
        read_margin("--margin", value)
    assert "\n" not in str(error.value)
    assert str(error.value).endswith(f"got {value!s}")


def test_a_margin_of_the_whole_range_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"--margin: 2 is as large as the whole range of accuracy, 0 to 1"):
        read_margin("--margin", 2, "test/accuracy")
