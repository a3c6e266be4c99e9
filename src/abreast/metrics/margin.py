"""The margin of a comparison: the largest difference of a metric that does not matter."""

from __future__ import annotations

import math

from abreast.errors import ConfigError
from abreast.metrics.registry import bounds, title


def read_margin(name: str, value: object, metric: str | None = None) -> float:
    """Check a margin.

    Args:
        name: How the user wrote it, such as `--margin`, for the message.
        value: What was given; text is read as a number.
        metric: The metric it is a difference of, such as `test/accuracy`, where that is known.

    Returns:
        The margin, in the unit of the metric.

    Raises:
        ConfigError: If it is not a positive finite number, or not smaller than the metric's range.

    >>> read_margin("--margin", "0.002", "test/accuracy")
    0.002
    """
    rule = "must be a positive number, the largest difference that does not matter, such as 0.002"
    try:
        margin = math.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        margin = math.nan
    if not (math.isfinite(margin) and margin > 0):
        raise ConfigError(f"{name}: {rule}, got {value!s}")
    low, high = bounds(metric) if metric else (None, None)
    if metric and low is not None and high is not None and margin >= high - low:
        raise ConfigError(
            f"{name}: {margin:g} is as large as the whole range of {title(metric)}, {low:g} to {high:g}; "
            "0.2 percentage points are 0.002"
        )
    return margin
