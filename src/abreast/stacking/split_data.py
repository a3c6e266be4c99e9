"""The data of a stack's lanes."""

from __future__ import annotations

from abreast.build.data import build_data, build_source
from abreast.config.targets import is_custom, targets
from abreast.config.types import Config
from abreast.data.datamodule import DataModule
from abreast.stacking.grouping import LANE_DATA, split_key
from abreast.stacking.random_numbers import draws


class SplitData:
    """The data module of each split of a data set, loaded and made once, after the first run's seed was set.

    Args:
        cfg: A run's configuration; the splits differ from its own.
        steps: Mini-batches of a block.
        shared: Whether there are several splits, whose data modules share the source's rows.
    """

    def __init__(self, cfg: Config, steps: int, *, shared: bool) -> None:
        self.cfg, self.steps, self.shared = cfg, steps, shared
        self._drawn_with = cfg["seed"] if self._load_draws() else None  # where the data depend on it
        self._modules: dict[str, DataModule] = {}

    def _load_draws(self) -> bool:
        def load() -> None:
            self.source = build_source(self.cfg)

        if any(map(is_custom, targets(self.cfg["data"]))):
            return draws(load)
        load()
        return False

    def why_not(self, cfg: Config) -> str | None:
        """Why a run cannot have these data; None if it can."""
        if self._drawn_with is None or cfg["seed"] == self._drawn_with:
            return None
        return f"{cfg['data']['_target_']} draws its data by the run's seed, so other seeds have other data"

    def of(self, cfg: Config) -> DataModule:
        """The data of a run's split."""
        key = split_key(cfg)
        if key not in self._modules:
            split = {name: value for name, value in cfg["data"].items() if name in LANE_DATA}
            config = {**self.cfg, "data": {**self.cfg["data"], **split}}
            self._modules[key] = build_data(config, self.steps, self.source, shared=self.shared)
        return self._modules[key]
