"""The settings of the sweeper, set with `hydra.sweeper.<name>=<value>`; see docs/decide.md."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hydra.core.config_store import ConfigStore


@dataclass
class AbreastDecideConf:
    """When to stop. `abreast.study.decide.protocol` checks the values and reports all mistakes.

    Attributes:
        margin: The smallest difference in the metric that matters, such as 0.005.
        max_seeds: The budget: the most seeds that each of the two settings is trained with.
        first_seed: The first seed; the others follow it.
        metric: What is compared on the test set; null: accuracy, for regression r2.
    """

    _target_: str = "hydra_plugins.abreast_decide.sweeper.DecideSweeper"
    margin: Any = None
    max_seeds: Any = 100
    first_seed: Any = 0
    metric: Any = None


ConfigStore.instance().store(
    group="hydra/sweeper",
    name="abreast_decide",
    node=AbreastDecideConf,
    provider="abreast_decide",
    replace=True,
)
