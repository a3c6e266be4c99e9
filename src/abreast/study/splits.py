"""The splits of the data that a study's repeats are trained and tested on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from abreast.config.types import is_whole


@dataclass(frozen=True)
class Split:
    """A split that repeats are trained on.

    Attributes:
        seed: The split seed; None for that of the configuration.
        folds: The number of folds; None without folds.
        fold: The fold; None without folds.
    """

    seed: int | None = None
    folds: int | None = None
    fold: int | None = None

    @property
    def overrides(self) -> tuple[str, ...]:
        """What chooses the split on the command line."""
        if self.folds is not None:
            return (f"data.folds={self.folds}", f"data.fold={self.fold}")
        return () if self.seed is None else (f"data.split_seed={self.seed}",)

    def repeat(self, seed: int) -> int | tuple[int, int, int | None]:
        """Which repeat a run of that seed is, in the form of `abreast.report.run.Run.repeat`."""
        return seed if self == Split() else (seed, self.seed or 0, self.fold)


def read_splits(key: str, node: object, problems: list[str]) -> tuple[Split, ...]:
    """Read the splits of a study.

    Args:
        key: Where they are declared, for the messages.
        node: Null, a list of split seeds, or `{folds: k}`.
        problems: Messages are appended to it.
    """
    if node is None:
        return (Split(),)
    if isinstance(node, Mapping):
        folds = node.get("folds")
        if {*node} != {"folds"} or not is_whole(folds, 2):
            problems.append(f"{key}: {dict(node)} must be {{folds: k}} with k of 2 or more")
            return (Split(),)
        return tuple(Split(folds=folds, fold=fold) for fold in range(folds))
    if not isinstance(node, list) or not node or not all(map(is_whole, node)):
        problems.append(
            f"{key}: must be null, a list of split seeds such as [0, 1, 2], or {{folds: 5}}, got {node}"
        )
        return (Split(),)
    if len({*node}) < len(node):
        problems.append(f"{key}: {node} contains a split twice, and one split does not count as two")
    return tuple(Split(seed=seed) for seed in node)
