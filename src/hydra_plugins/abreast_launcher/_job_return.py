"""The return of a job that was not run by Hydra: its configs are composed when somebody asks for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hydra.core.utils import JobReturn
from omegaconf import DictConfig


class LazyJobReturn(JobReturn):
    """Hydra's `JobReturn`, without holding two configs for each of thousands of jobs.

    Args:
        compose: Gives the job's config without and with Hydra's part.
        output_dir: The job's directory.
        **values: Hydra's own fields, but for the configs.

    Attributes:
        output_dir: The job's directory.
    """

    def __init__(
        self, compose: Callable[[], tuple[DictConfig, DictConfig]], output_dir: str, **values: Any
    ) -> None:
        self._compose: Callable[[], tuple[DictConfig, DictConfig]] | None = compose
        self._configs: tuple[DictConfig | None, DictConfig | None] = (None, None)
        self.output_dir = output_dir
        super().__init__(**values)

    def _composed(self) -> tuple[DictConfig | None, DictConfig | None]:
        return self._configs if self._compose is None else self._compose()

    @property  # type: ignore[override]
    def cfg(self) -> DictConfig | None:
        """The job's config, without Hydra's part."""
        return self._composed()[0]

    @cfg.setter
    def cfg(self, value: DictConfig | None) -> None:
        """Ignored while the config is composed on demand: the parent's constructor sets None."""

    @property  # type: ignore[override]
    def hydra_cfg(self) -> DictConfig | None:
        """Hydra's part of the job's config."""
        return self._composed()[1]

    @hydra_cfg.setter
    def hydra_cfg(self, value: DictConfig | None) -> None:
        """As `cfg`."""

    def __getstate__(self) -> dict[str, Any]:
        """Hydra's state, with the configs instead of what composes them."""
        return {**super().__getstate__(), "_compose": None, "_configs": self._composed()}
