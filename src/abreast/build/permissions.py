"""What a configuration may build and fetch: one object, which this process hands to the ranks it starts."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass

from hydra.utils import execution_whitelist

from abreast.config.targets import own_targets
from abreast.config.types import Config, Json
from abreast.runtime import module_path
from abreast.runtime.downloads import downloads

VARIABLE = "ABREAST_RANK_MAY"  # in the environment of a rank: the permissions of the process that started it


@dataclass(frozen=True)
class Permissions:
    """What may be done for a configuration.

    Attributes:
        targets: What Hydra may build: full names, and `package.*`.
        downloads: Whether missing data may be downloaded.
        modules: The user's own modules in the working directory that may be imported; None for any.
    """

    targets: tuple[str, ...]
    downloads: bool = False
    modules: tuple[str, ...] | None = ()

    @classmethod
    def of_user(cls, config: Config) -> Permissions:
        """For a configuration that the user wrote; never for one that was read from a run directory."""
        return cls(tuple(own_targets(config)), downloads=True, modules=None)

    @classmethod
    def from_json(cls, content: Json) -> Permissions:
        """From what `to_json` gave, in another process."""
        modules = content["modules"]
        return cls(
            tuple(content["targets"]), content["downloads"], None if modules is None else tuple(modules)
        )

    def to_json(self) -> Json:
        """As plain data."""
        return asdict(self)


_current: ContextVar[Permissions | None] = ContextVar("permissions", default=None)


@contextmanager
def permitted(permissions: Permissions, *, reset: bool = False) -> Iterator[None]:
    """Permit this in the `with` block, for this process and for the ranks that it starts.

    Args:
        permissions: What is permitted.
        reset: Whether to forbid what an outer block permits.
    """
    token = _current.set(permissions)
    try:
        with (
            execution_whitelist(list(permissions.targets), reset=reset),
            downloads(permissions.downloads),
        ):
            yield
    finally:
        _current.reset(token)


def current(config: Config) -> Permissions:
    """The permissions in force; outside of any, those of a configuration that the user wrote."""
    return _current.get() or Permissions.of_user(config)


def for_rank(config: Config) -> dict[str, str]:
    """The environment variable that hands the permissions in force to a rank."""
    return {VARIABLE: json.dumps(current(config).to_json())}


def of_rank() -> Permissions | None:
    """The permissions that the process which started this rank has; None if none did."""
    text = os.environ.get(VARIABLE)
    if text is None:
        return None
    permissions = Permissions.from_json(json.loads(text))
    if permissions.modules is None:
        module_path.put_working_directory_last()  # as in the process that started this rank
    else:
        module_path.leave_out_working_directory(permissions.modules)
    return permissions
