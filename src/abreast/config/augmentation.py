"""The settings of `data.augment`, each once, with its range. No torch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from abreast.suggestions import did_you_mean, listed

# The largest value of each; the smallest is 0, which does nothing.
MOST = {
    "flip": 1.0,
    "rotate": 180.0,
    "scale": 0.9,
    "shear": 80.0,
    "shift": math.inf,
    "noise": math.inf,
    "mixup": math.inf,
    "cutmix": math.inf,
}
MIXING = ("mixup", "cutmix")  # examples with others, targets too
WHOLE = ("shift",)  # pixels


def augment_mistakes(settings: Mapping[str, object]) -> Iterator[str]:
    """Say what is wrong with settings of `data.augment`, whatever the data are.

    >>> list(augment_mistakes({"flip": 2}))
    ['data.augment.flip=2 must be a number from 0 to 1']
    """
    for name, value in settings.items():
        if name not in MOST:
            near = did_you_mean(str(name), MOST)
            yield f"data.augment.{name}: is unknown; it takes {listed([*MOST])}{near}"
            continue
        if not _is_valid(name, value):
            kind = "a whole number" if name in WHOLE else "a number"
            bound = f" to {MOST[name]:g}" if MOST[name] < math.inf else ""
            yield f"data.augment.{name}={value!r} must be {kind} from 0{bound}"


def _is_valid(name: str, value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return False
    return 0 <= value <= MOST[name] and (name not in WHOLE or value == int(value))


def mixing(settings: object) -> list[str]:
    """The names of what mixes examples with others, of settings of `data.augment` that may be wrong.

    >>> mixing({"flip": 0.5, "mixup": 0.2})
    ['mixup']
    """
    values = settings if isinstance(settings, Mapping) else {}
    return [name for name in MIXING if isinstance(value := values.get(name), (int, float)) and value > 0]
