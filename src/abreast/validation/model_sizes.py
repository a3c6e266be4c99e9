"""Sizes within a network that do not fit each other. No torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

# Lists of the layers' widths, of which each has weights; the last layer adds one.
_WIDTHS = {"abreast.models.MLP": ("hidden",), "abreast.models.CNN": ("channels", "hidden")}


def check_model(model: Mapping[str, Any]) -> Iterator[str]:
    """A message for each mistake. The types of the keys are right already."""
    target = str(model.get("_target_"))
    widths = [model.get(key) for key in _WIDTHS.get(target, ())]
    if not widths or not all(isinstance(width, list) for width in widths):
        return
    layers, gain = sum(map(len, widths)) + 1, model.get("gain")  # type: ignore[arg-type]
    if isinstance(gain, list) and len(gain) != layers:
        yield (
            f"model.gain: has {len(gain)} factors for {layers} layers with weights; give one for each, or a "
            "single number for the last one"
        )
    hidden: Any = model.get("hidden")
    if model.get("residual") is True and all(before != after for before, after in pairwise(hidden)):
        yield (
            "model.residual: adds a hidden layer to the one before it, of the same width, but "
            f"model.hidden={hidden} has no such neighbours; write model.hidden=[64,64,64], for example"
        )
