"""What runs of one kind take, in time and on the disk. No torch."""

from __future__ import annotations

from dataclasses import dataclass, field

# What a figure may be wrong by: loads of the machine, caches, what a few epochs do not show.
LOW, HIGH = 0.8, 1.6


@dataclass(frozen=True)
class Cost:
    """What runs of one kind take.

    Attributes:
        epochs: Epochs of a run; infinite for a run without an end.
        epoch: Seconds of a run's epoch, the least and the mean of what was measured.
        outside: Seconds of a run outside of its epochs.
        run_bytes: The size of a run's directory, without what grows with its epochs.
        epoch_bytes: What an epoch adds to it.
        individual: Why lanes cannot be stacked after all, by `lane_key`.
    """

    epochs: float
    epoch: tuple[float, float]
    outside: float
    run_bytes: float
    epoch_bytes: float
    individual: dict[tuple[str, str], str] = field(default_factory=dict)

    def seconds(self, runs: int, share: float = 1.0) -> tuple[float, float]:
        """The least and the most seconds that so many runs take.

        Args:
            runs: The number of runs.
            share: The share of their epochs that is trained.
        """
        low, high = (runs * (self.epochs * share * epoch + self.outside) for epoch in self.epoch)
        return LOW * low, HIGH * high

    def bytes(self, runs: int, share: float = 1.0) -> float:
        """The size of so many run directories."""
        return runs * (self.run_bytes + self.epochs * share * self.epoch_bytes)
