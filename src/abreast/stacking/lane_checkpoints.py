"""A lane's checkpoint files, written late, and the weights that were written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from torch import Tensor

from abreast.config.types import State
from abreast.learner.checkpoint_io import DeferredCheckpoints
from abreast.runs.directory import RunDirectory
from abreast.stacking.optimizers.groups import OptimizerGroup
from abreast.stacking.optimizers.lane_state import cloned
from abreast.training.finish import ChosenWeights, chosen_file, chosen_weights, read_chosen


def stepped_state(weights: Mapping[str, Tensor], group: OptimizerGroup | None, lane: int) -> State:
    """What a lane's steps change, as Lightning puts it into a checkpoint; tensors are copies.

    Args:
        weights: The lane's weights.
        group: The optimizer that steps the lane.
        lane: The lane's position in its chunk.
    """
    assert group is not None, "the lane has left the stack"
    scheduler = group.scheduler
    return {
        "state_dict": cloned(weights),
        "optimizer_states": [group.state_dict(lane)],
        "lr_schedulers": [] if scheduler is None else [cloned(scheduler.state_dict())],
    }


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
        self._shared: State | None = None  # by the checkpoints of one moment

    @contextmanager
    def one_moment(self) -> Iterator[None]:
        """Let the checkpoints that are kept inside, best and last, share what `shared` gives."""
        self._shared = {}
        try:
            yield
        finally:
            self._shared = None

    def shared(self, make: Callable[[], State]) -> State:
        """What `make` gives, which is made once within `one_moment`."""
        if self._shared is None:
            return make()
        self._shared = self._shared or make()
        return self._shared

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
