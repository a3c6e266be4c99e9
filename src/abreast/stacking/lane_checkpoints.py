"""A lane's checkpoint files, written late, and the weights that were written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from abreast.config.types import State
from abreast.learner.checkpoint_io import DeferredCheckpoints
from abreast.runs.directory import RunDirectory
from abreast.training.finish import ChosenWeights, chosen_file, chosen_weights, read_chosen


class LaneCheckpoints(DeferredCheckpoints):
    """Checkpoints that are kept in memory until `flush`, and the weights of those that were written.

    Args:
        directory: The run's directory.
        before: Called before a file is written.
    """

    def __init__(self, directory: RunDirectory, before: Callable[[], None]) -> None:
        super().__init__(before)
        self.directory = directory
        self._written: dict[str, ChosenWeights] = {}  # by file name

    def flush(self) -> dict[Path, State]:
        """Write everything that is kept; what cannot be written is not tried again."""
        try:
            written = super().flush()
        except OSError:
            self.clear()
            raise
        for path, content in written.items():
            self._written[path.name] = chosen_weights(path, content)
        return written

    def choose(self, name: str) -> ChosenWeights:
        """The weights of the checkpoint `name`; what this process has written is not read again."""
        file = chosen_file(self.directory, name)
        written, self._written = self._written, {}
        if file.name not in written:
            return read_chosen(self.directory, name)
        return written[file.name]
