"""The sweeper's settings, as `hydra.sweeper.<name>=<value>`; see docs/search.md."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore


@dataclass
class AbreastSearchConf:
    """A search for the best settings.

    Attributes:
        n_trials: Runs in all, with those of an earlier start of the same search.
        batch: Trials that are trained side by side; the next is asked for when one has ended.
        seed: Seed of the suggestions, which follow from it and from the trials before.
        sampler: Optuna's sampler, built with a seed.
        storage: Where Optuna keeps the trials; null: `search.db` in the sweep's directory.
        name: Name of the study within the storage.
        params: What is searched, beside the command line: `{key: sweep}`.
    """

    _target_: str = "hydra_plugins.abreast_search.sweeper.SearchSweeper"
    n_trials: int = 64
    batch: int = 16
    seed: int = 0
    sampler: Any = field(
        default_factory=lambda: {"_target_": "optuna.samplers.TPESampler", "constant_liar": True}
    )
    storage: str | None = None
    name: str = "search"
    params: dict[str, Any] | None = None


ConfigStore.instance().store(
    group="hydra/sweeper",
    name="abreast_search",
    node=AbreastSearchConf,
    provider="abreast_search",
    replace=True,
)
