"""The sweeper's settings, as `hydra.sweeper.<name>=<value>`; see docs/studies.md."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore


@dataclass
class AbreastStudyConf:
    """A study's protocol.

    cells: what is compared: `{key: [value, ...], ...}`, a cell for every combination, or a list of named
        cells, `[{name: [override, ...]}, ...]`.
    space: what is tuned in them, by part: `default`, an option that a cell chooses, or a cell's name.
    trials: the settings that are tried in every cell; null: the whole grid.
    tune_seeds, repeat_seeds: of the runs that choose, and of those that are tested.
    search_seed: of the settings that are drawn where the space holds more than `trials`.
    metric: what is compared on the test rows; null: accuracy, for regression r2.
    """

    _target_: str = "hydra_plugins.abreast_study.sweeper.StudySweeper"
    cells: Any = None
    space: Any = None
    trials: Any = None
    tune_seeds: Any = field(default_factory=lambda: [0])
    repeat_seeds: Any = field(default_factory=lambda: [101, 102, 103, 104, 105])
    search_seed: Any = 0
    metric: Any = None


ConfigStore.instance().store(
    group="hydra/sweeper", name="abreast_study", node=AbreastStudyConf, provider="abreast_study"
)
