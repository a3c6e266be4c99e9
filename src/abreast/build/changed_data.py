"""Whether the data behind a run's paths are those that it was trained on. No torch until data are read."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from abreast.config.identity import identity
from abreast.config.run_config import PATHS
from abreast.config.targets import is_custom, targets
from abreast.config.types import Config
from abreast.errors import AbreastError, ConfigError, RunError
from abreast.runs.directory import RunDirectory
from abreast.runs.schema import data_digest
from abreast.runtime.printable import printable

if TYPE_CHECKING:
    from abreast.data.digest import ContentDigest


log = logging.getLogger(__name__)


class ChangedDataError(ConfigError):
    """A run's directory holds what was trained on other data."""


def check_same_data(directory: RunDirectory, content: ContentDigest) -> None:
    """Check the data that a run is to be resumed with.

    Args:
        directory: The run's directory; what it holds is as old as its last checkpoint.
        content: The digest of the data as they are now.

    Raises:
        ChangedDataError: The checkpoint was trained on others.
    """
    from abreast.learner.checkpoint import trained_digest

    trained = trained_digest(directory)
    if trained is not None and trained != content.hex:
        raise _error(directory, trained, content.hex)


def report_changed_data(directory: RunDirectory, content: ContentDigest) -> None:
    """Log a warning if a run's result is of other data than these."""
    trained = _digest_of_result(directory)
    if trained is not None and trained != content.hex:
        log.warning(printable(f"{directory.path}: {_changed(directory, trained, content.hex)}"))


class FinishedRuns:
    """Checks that the data of finished runs have not changed; data that several runs share are read once."""

    def __init__(self) -> None:
        self._digests: dict[tuple[object, ...], str | None] = {}

    def check(self, directory: RunDirectory, config: Config) -> None:
        """Check a run. Only data with paths are read, and nothing is downloaded.

        Data that cannot be read any more are taken to be the same: the run needs them no longer.

        Raises:
            ChangedDataError: The run was trained on other data than its paths now have.
        """
        settings = identity(config)
        trained = _digest_of_result(directory)
        if settings.paths == "{}" or trained is None:
            return
        is_drawn = any(map(is_custom, targets(config["data"])))
        key = (settings.data, settings.paths, config["seed"] if is_drawn else None)
        if key not in self._digests:
            self._digests[key] = _current(config)
        digest = self._digests[key]
        if digest is not None and digest != trained:
            raise _error(directory, trained, digest)


def _current(config: Config) -> str | None:
    from abreast.build.data import build_source
    from abreast.runtime.seeding import seeded

    data = {**config["data"], "mirrors": []} if "mirrors" in config["data"] else config["data"]
    with suppress(AbreastError, OSError), seeded(config["seed"]):
        return build_source({**config, "data": data}).content.hex
    return None


def _digest_of_result(directory: RunDirectory) -> str | None:
    try:
        return data_digest(directory.read_result())
    except RunError:
        return None


def _error(directory: RunDirectory, trained: str, digest: str) -> ChangedDataError:
    return ChangedDataError(
        f"{directory.path} holds a run of other data: {_changed(directory, trained, digest)}. Put those data "
        "back, or choose another directory (hydra.run.dir=..., hydra.sweep.dir=...)"
    )


def _changed(directory: RunDirectory, trained: str, digest: str) -> str:
    try:
        data = directory.read_config().get("data")
    except RunError:
        data = None
    paths = [
        f"data.{key}={value}"
        for key, value in (data.items() if isinstance(data, Mapping) else ())
        if key in PATHS and isinstance(value, str)
    ]
    what = ", ".join(paths) or "the data"
    return f"{what} had the digest {trained} when the run was trained, and now has {digest}"
