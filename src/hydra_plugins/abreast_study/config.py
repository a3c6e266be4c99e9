"""The settings of the sweeper, set with `hydra.sweeper.<name>=<value>`; see docs/studies.md."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore


@dataclass
class AbreastStudyConf:
    """The protocol of a study. `abreast.study.protocol` checks the values and reports all mistakes.

    Attributes:
        cells: What is compared: `{key: [value, ...], ...}`, a cell for every combination, or a list of cells
            with names, `[{name: [override, ...]}, ...]`.
        space: What is tuned in them, by part: `default`, an option that cells choose, or a cell's name.
        trials: The number of settings that are tried in every cell; null: the complete grid.
        tune_seeds: Seeds of the runs that choose the settings.
        tune_splits: Split seeds that settings are chosen on, or `{folds: k}`; None for those of the repeats.
        repeat_seeds: Seeds of the runs that are tested.
        repeat_splits: Split seeds that the tested runs are repeated on, or `{folds: k}` for all of k folds;
            null: the one split of the configuration.
        search_seed: Seed of the settings that are drawn from a space with more settings than `trials`.
        metric: What is compared on the test set; null: accuracy, for regression r2.
        margin: The difference in that metric up to which cells are equivalent; null: no margin.
    """

    _target_: str = "hydra_plugins.abreast_study.sweeper.StudySweeper"
    cells: Any = None
    space: Any = None
    trials: Any = None
    tune_seeds: Any = field(default_factory=lambda: [0])
    tune_splits: Any = None
    repeat_seeds: Any = field(default_factory=lambda: [101, 102, 103, 104, 105])
    repeat_splits: Any = None
    search_seed: Any = 0
    metric: Any = None
    margin: Any = None


ConfigStore.instance().store(
    group="hydra/sweeper", name="abreast_study", node=AbreastStudyConf, provider="abreast_study", replace=True
)
