"""Whether loss, metrics and network fit the data, found before a run has a directory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from abreast.config.run_config import finished_config, run_config
from abreast.config.targets import is_custom_network
from abreast.config.types import Config
from abreast.errors import ConfigError
from abreast.metrics.requested import nodes
from abreast.validation.known_data import class_count
from abreast.validation.preflight import check, trains_here
from abreast.validation.variants import Checked, Variant

if TYPE_CHECKING:
    from abreast.data.datamodule import DataModule


# The parts of a configuration that a network is tried with, and data of which reading two examples reads all.
TRIED_WITH = ("model", "data", "loss", "metrics", "optim", "schedule", "ema", "trainer")
SLOW_DATA = ("abreast.data.images", "abreast.data.torchvision")


class FitCheck:
    """Checks configurations as `check` does, then what depends on the number of classes, and custom networks.

    Only a configuration with something that can be wrong there is built, and only data that do not say by
    their name how many classes they have are read, each set once.
    """

    def __init__(self) -> None:
        self._checked: Checked = {}
        self._sizes: dict[str, tuple[int, int]] = {}  # by data: classes and outputs
        self._problems: dict[str, ConfigError | None] = {}  # by what was checked
        self._data: tuple[str, DataModule] | None = None  # the last that a network was tried on

    def __call__(self, config: DictConfig, hydra: Any) -> None:
        """Check a run's configuration.

        Raises:
            ConfigError: The configuration is wrong, or does not fit the data.
            DataError: The data cannot be read.
        """
        check(config, hydra)
        if trains_here(hydra):  # else the data may be elsewhere
            self.check_plain(run_config(config, hydra))

    def check_variant(self, variant: Variant) -> None:
        """As for a run, for a job that shows a value of a sweep."""
        variant.check(self._checked)
        if trains_here(variant.hydra):
            self.check_plain(finished_config(variant.resolved, variant.choices))

    def check_plain(self, plain: Config) -> None:
        """Check what depends on the data: the number of classes, and a custom network. Raises as above."""
        if depends_on_classes(plain):
            self._check_classes(plain)
        if is_custom_network(plain["model"]) and plain["data"]["_target_"] not in SLOW_DATA:
            self._check_network(plain)

    def _check_network(self, plain: Config) -> None:
        """Try a custom network, with its optimizer, on examples."""
        from abreast.build.components import build_learner
        from abreast.build.data import build_data
        from abreast.build.permissions import Permissions, permitted
        from abreast.runtime.seeding import seeded

        key, data_key = repr([plain.get(name) for name in TRIED_WITH]), repr(plain["data"])
        if key not in self._problems:
            self._problems[key] = None
            with permitted(Permissions.of_user(plain)), seeded(plain["seed"]):
                if self._data is None or self._data[0] != data_key:
                    self._data = (data_key, build_data(plain))
                try:
                    build_learner(plain, self._data[1], None)
                except ConfigError as error:
                    self._problems[key] = error
        self._raise_problem(key)

    def _raise_problem(self, key: str) -> None:
        problem = self._problems[key]
        if problem is not None:
            raise problem

    def _check_classes(self, plain: Config) -> None:
        from abreast.build.permissions import Permissions, permitted

        with permitted(Permissions.of_user(plain)):
            classes, outputs = self._sizes_of(plain)
            key = repr((classes, outputs, plain["loss"], plain.get("metrics"), plain["data"].get("augment")))
            if key not in self._problems:
                self._problems[key] = _problem(plain, classes, outputs)
        self._raise_problem(key)

    def _sizes_of(self, config: Config) -> tuple[int, int]:
        data = config["data"]
        count = class_count(data)
        if count is not None:
            return count, count
        key = repr(sorted(data.items(), key=str))
        if key not in self._sizes:
            self._sizes[key] = _sizes(config)
        return self._sizes[key]


def depends_on_classes(config: Config) -> bool:
    """Whether a classification has lists in its criterion, or metrics beyond the usual."""
    criterion = config["loss"].get("criterion")
    values = criterion.values() if isinstance(criterion, Mapping) else ()
    has_lists = any(isinstance(value, list) for value in values)
    return config["data"]["task"] == "classification" and (has_lists or bool(nodes(config)))


def _sizes(config: Config) -> tuple[int, int]:
    """Classes and outputs of data whose configuration does not say them."""
    from abreast.build.data import build_source
    from abreast.data.image_folder import class_folders
    from abreast.runtime.seeding import seeded

    if config["data"]["_target_"] == "abreast.data.images":  # reading the images may take minutes
        count = len(class_folders(config["data"]["dir"]))
        return count, count
    with seeded(config["seed"]):
        count = len(build_source(config).classes)
    return count, count


def _problem(config: Config, classes: int, outputs: int) -> ConfigError | None:
    from abreast.build.components import build_loss
    from abreast.build.metrics import build_metrics

    try:
        build_loss(config, outputs)
        build_metrics(config, classes, outputs)
    except ConfigError as error:
        return error
    return None
