"""Asynchronous successive halving: a trial is compared with those that have come as far until then.

Li et al. 2020, "A System for Massively Parallel Hyperparameter Tuning" (arXiv 1810.05934), algorithm 2.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from typing import NamedTuple

from hydra_plugins.abreast_launcher._asked_jobs import Arrival


class Verdict(NamedTuple):
    """What was said of a trial at a rung.

    Attributes:
        arrival: The trial, its rung and what it was compared by.
        clock: Epochs that the search's stacks had trained.
        is_promoted: Whether it was among the best, and continued at once.
        rank: Its rank then, in words.
    """

    arrival: Arrival
    clock: int
    is_promoted: bool
    rank: str


class Rungs:
    """Who has reached which rung, and who was promoted from there.

    Trials of different splits are not compared.

    Args:
        epochs: The epochs of the rungs, in rising order.
        keep: The share of the trials that continues: 1/eta in the paper.
    """

    def __init__(self, epochs: Sequence[int] = (), keep: float = 1 / 3) -> None:
        self.epochs = tuple(epochs)
        self.keep = keep
        self._verdicts: dict[tuple[int, int], Verdict] = {}  # by trial and rung
        self._promoted: set[tuple[int, int]] = set()

    def note(self, verdict: Verdict) -> None:
        """Take note of what was said, also by an earlier process."""
        self._verdicts[verdict.arrival.number, verdict.arrival.rung] = verdict

    def promote(self, number: int, rung: int) -> None:
        """Let a trial continue that was dropped at a rung."""
        self._promoted.add((number, rung))

    def judge(self, arrivals: Iterable[Arrival], clock: int, *, is_last: bool) -> list[Verdict]:
        """Compare trials that have reached a rung with all that have reached it until now.

        Args:
            arrivals: The trials.
            clock: Epochs that the search's stacks have trained.
            is_last: Whether no other trial may still come: then one of each rung continues.

        Returns:
            What was said of each, as soon as it arrived: in a search that is resumed, that is known.
        """
        arrivals = sorted(arrivals)
        new = [arrival for arrival in arrivals if (arrival.number, arrival.rung) not in self._verdicts]
        for arrival in new:
            self.note(Verdict(arrival, clock, is_promoted=False, rank=""))
        for arrival in new:
            ranked = self._ranked(arrival.rung, arrival.split, clock)
            rank = ranked.index(arrival.number)
            is_promoted = rank < self._kept(ranked, is_last=is_last)
            self.note(Verdict(arrival, clock, is_promoted, f"rank {rank + 1} of {len(ranked)} so far"))
        return [self._verdicts[arrival.number, arrival.rung] for arrival in arrivals]

    def promotable(
        self, clock: float, *, is_last: bool, without: Container[int] = ()
    ) -> tuple[int, int] | None:
        """The trial to continue from its rung, of those that were dropped: at the highest rung, the best one.

        Args:
            clock: Epochs that the search's stacks have trained.
            is_last: Whether no other trial may still come.
            without: Trials that have not ended yet.

        Returns:
            Its number, and the rung; None if no trial is to continue.
        """
        for rung in reversed(self.epochs):
            splits = {v.arrival.split for v in self._verdicts.values() if v.arrival.rung == rung}
            for split in sorted(splits):
                ranked = self._ranked(rung, split, clock)
                for number in ranked[: self._kept(ranked, is_last=is_last)]:
                    if number not in without and not self._is_promoted(number, rung):
                        return number, rung
        return None

    @property
    def dropped(self) -> dict[int, int]:
        """How many trials were dropped at each rung and have not been promoted since."""
        gone = [key for key in self._verdicts if not self._is_promoted(*key)]
        counts = {rung: sum(at == rung for _, at in gone) for rung in self.epochs}
        return {rung: count for rung, count in counts.items() if count}

    def _is_promoted(self, number: int, rung: int) -> bool:
        return (number, rung) in self._promoted or self._verdicts[number, rung].is_promoted

    def _ranked(self, rung: int, split: str, clock: float) -> list[int]:
        """The trials that have reached the rung, the best first."""
        arrivals = [v.arrival for v in self._verdicts.values() if v.clock <= clock]
        alike = [a for a in arrivals if (a.rung, a.split) == (rung, split)]
        return [a.number for a in sorted(alike, key=lambda a: (a.cost, a.number))]

    def _kept(self, ranked: Sequence[int], *, is_last: bool) -> int:
        """How many of the trials continue."""
        return max(int(is_last), int(len(ranked) * self.keep + 1e-9))
