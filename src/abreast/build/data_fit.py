"""Whether loss and metrics fit the classes of the data, found before a run has a directory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig

from abreast.config.run_config import finished_config, run_config
from abreast.config.types import Config
from abreast.errors import ConfigError
from abreast.metrics.requested import nodes
from abreast.validation.known_data import class_count
from abreast.validation.preflight import check, trains_here
from abreast.validation.variants import Checked, Variant


class FitCheck:
    """Checks configurations as `check` does, then what depends on the number of classes.

    Only a configuration with something that can be wrong there is built, and only data that do not say by
    their name how many classes they have are read, each set once.
    """

    def __init__(self) -> None:
        self._checked: Checked = {}
        self._sizes: dict[str, tuple[int, int]] = {}  # by data: classes and outputs
        self._problems: dict[str, ConfigError | None] = {}  # by sizes, loss and metrics

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
        """Check what depends on the number of classes. Raises as above."""
        if not depends_on_classes(plain):
            return
        from abreast.build.permissions import Permissions, permitted

        with permitted(Permissions.of_user(plain)):
            classes, outputs = self._sizes_of(plain)
            key = repr((classes, outputs, plain["loss"], plain.get("metrics"), plain["data"].get("augment")))
            if key not in self._problems:
                self._problems[key] = _problem(plain, classes, outputs)
        problem = self._problems[key]
        if problem is not None:
            raise problem

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
