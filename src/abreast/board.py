"""TensorBoard, one events file a run."""

from __future__ import annotations

from typing import Any

from lightning.pytorch.loggers import TensorBoardLogger


class TensorBoard(TensorBoardLogger):
    """Lightning's logger, writing into the run directory itself.

    Lightning's closes its file after each of fit and test and opens another, and adds an `hparams.yaml`
    beside `config.yaml`. This one keeps its file open until `close`.
    """

    def __init__(self, save_dir: str, **kwargs: Any) -> None:
        super().__init__(save_dir, name="", version="", default_hp_metric=False, **kwargs)

    def save(self) -> None:
        """Nothing: the configuration is in `config.yaml`."""

    def finalize(self, status: str) -> None:
        """Let what was logged be seen."""
        if self._experiment is not None:
            self._experiment.flush()

    def close(self) -> None:
        """Close the file."""
        if self._experiment is not None:
            self._experiment.close()
