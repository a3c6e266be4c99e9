"""The splits of the data that runs were trained on: the blocks of a comparison, with their correction."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

from abreast.report.run import Run

Split = tuple[int, int]  # the split seed and the fold; -1 without folds
NO_FOLD = -1


@dataclass(frozen=True)
class Splits:
    """The splits of a task's runs.

    Splits of the same examples share most of their training examples, so their results are not independent.
    The variance of the mean of J of them is taken as (1/J + n_test/n_train) times their sample variance, not
    as 1/J of it: the corrected resampled t test (Nadeau & Bengio 2003, Machine Learning 52, 239-281). The
    same correction serves the k folds of a cross-validation, whose variance has no unbiased estimate (Bengio
    & Grandvalet 2004, JMLR 5, 1089-1105).

    Attributes:
        count: Number of splits; 1 where all runs have the same.
        seeds: The most seeds of a split.
        folds: The number of folds; None without folds, or where it differs.
        held_out: Examples that a split does not train on, and is measured on, on average.
        train: Examples that it trains on, on average.
        is_test_drawn: Whether splits differ in their test examples; else these are official, or not known to.
        is_uneven: Whether some groups have fewer seeds of a split than others.
        single: What a value stands for where all runs have the same split: a `seed`, or a `run` without one.
    """

    count: int = 1
    seeds: int = 1
    folds: int | None = None
    held_out: float = 0.0
    train: float = 0.0
    is_test_drawn: bool = False
    is_uneven: bool = False
    single: str = "seed"

    @property
    def overlap(self) -> float:
        """n_test/n_train of the correction; 0 for a single split."""
        return self.held_out / self.train if self.count > 1 and self.train else 0.0

    @property
    def unit(self) -> str:
        """What a value of a comparison stands for: a `seed`, `split` or `fold`, or a `run` without a seed."""
        if self.count == 1:
            return self.single
        return "fold" if self.folds is not None and self.count <= self.folds else "split"

    @property
    def noun(self) -> str:
        """What the splits are called: `10 splits`, `5 folds`."""
        return f"{self.count} {self.unit}s"

    def pooled(self, values: Mapping[Hashable, float]) -> dict[Hashable, float]:
        """The blocks of a comparison: the values by repeat, or with several splits their means by split."""
        if self.count == 1:
            return dict(values)
        by_split: dict[Hashable, list[float]] = {}
        for repeat, value in values.items():
            split = _split_of(repeat)
            by_split.setdefault(repeat if split is None else split, []).append(value)
        return {split: mean(members) for split, members in by_split.items()}

    def sentences(self, counts: Iterable[int] = ()) -> list[str]:
        """How the splits were pooled, for the reader of a verdict; none for a single split.

        Args:
            counts: How many splits each group has; none where each has all.
        """
        if self.count == 1:
            return []
        sizes = sorted({*counts} - {0}) or [self.count]
        n = str(sizes[0]) if len(sizes) == 1 else "n"
        part = "" if sizes == [self.count] else f", {sizes[0]} in each group"
        if len(sizes) > 1:
            part = f", {sizes[0]} to {sizes[-1]} in a group (n)"
        seeds = (
            f", {'up to ' * self.is_uneven}{self.seeds} seeds each: a value is the mean over a split's seeds"
            if self.seeds > 1
            else ""
        )
        factor = f" = {1 / sizes[0] + self.overlap:.3f}" if len(sizes) == 1 else ""
        lines = [
            f"Blocks: {self.noun} of the data{part}{seeds}. They share training examples, so the variance of "
            f"their mean is corrected as by Nadeau and Bengio (2003): 1/{n} + "
            f"{self.held_out:.0f}/{self.train:.0f}{factor} times the variance between them, in place "
            f"of 1/{n}."
        ]
        if not self.is_test_drawn:
            lines.append("All are tested on the same examples, so the verdict holds for this test set.")
        return lines


def splits_of(runs: Iterable[Run], metric: str) -> Splits:
    """The splits of runs that are compared by a metric.

    Args:
        runs: The runs of all groups that have the metric.
        metric: Its key, such as `test/accuracy`.
    """
    return splits_of_repeats([(run.repeat, run.result, run.config.get("data.folds")) for run in runs], metric)


def splits_of_repeats(repeats: Sequence[tuple[Hashable, Mapping[str, Any], object]], metric: str) -> Splits:
    """As `splits_of`, of each run's repeat (`Run.repeat`), its result, and its number of folds."""
    seeds: dict[Split, set[object]] = {}
    for repeat, _, _ in repeats:
        split = _split_of(repeat)
        if split is not None and isinstance(repeat, tuple):
            seeds.setdefault(split, set()).add(repeat[0])
    if len(seeds) < 2:
        is_seeded = not repeats or any(repeat is not None for repeat, _, _ in repeats)
        return Splits(single="seed" if is_seeded else "run")
    folds = {number for _, _, number in repeats}
    only = next(iter(folds)) if len(folds) == 1 else None
    sizes = [sizes for _, result, _ in repeats for sizes in [_sizes(result, metric)] if sizes is not None]
    return Splits(
        len(seeds),
        max(map(len, seeds.values())),
        only if isinstance(only, int) else None,
        mean(held_out for held_out, _ in sizes) if sizes else 0.0,
        mean(train for _, train in sizes) if sizes else 0.0,
        {_drawn(result) for _, result, _ in repeats} == {"test"},
        len(repeats) % (len(seeds) * max(map(len, seeds.values()))) > 0,
    )


def _split_of(repeat: Hashable) -> Split | None:
    """The split of a repeat (`Run.repeat`); None where repeats differ in the seed alone."""
    if not isinstance(repeat, tuple):
        return None
    _, split_seed, fold = repeat
    return split_seed, NO_FOLD if fold is None else fold


def _drawn(result: Mapping[str, Any]) -> str:
    """The part that the split draws first. Before it was recorded, all splits had the same test examples."""
    data = result.get("data")
    return str(data.get("drawn", "val")) if isinstance(data, Mapping) else "val"


def _sizes(result: Mapping[str, Any], metric: str) -> tuple[float, float] | None:
    """The examples that are held out, and those that are trained on."""
    examples = result.get("examples")
    if not isinstance(examples, Mapping):
        return None
    held_out = examples.get("val" if metric.startswith("val/") else _drawn(result))
    train = examples.get("train")
    if not isinstance(held_out, int) or not isinstance(train, int) or train < 1:
        return None
    return float(held_out), float(train)
