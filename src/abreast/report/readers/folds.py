"""How many folds a cross-validation has whose splits others only number."""

from __future__ import annotations

from collections.abc import Sequence

from abreast.errors import ConfigError
from abreast.report.readers.foreign_run import ForeignRun

MOST_FOLDS = 10  # more splits are read as repetitions
USUAL = 5


def read_folds(text: str) -> int:
    """The number of folds that a user says. Raises ConfigError for one below 2, or none."""
    if not (text.isascii() and text.isdecimal() and 2 <= int(text[:7]) <= 100_000):
        raise ConfigError(
            f"--folds {text}: must be a whole number from 2, such as 10 for `RepeatedKFold(10)`"
        )
    return int(text)


def folds_of(splits: int) -> int:
    """The folds of a cross-validation with this many splits, by which test and training examples relate.

    Up to ten splits are its folds. More are repetitions, of which neither a table nor `cv_results_` says how
    many: of five folds (scikit-learn's default), or else of the most that up to ten can be. Fewer folds mean
    more test examples, so that a guess is rather too cautious than too bold.

    >>> folds_of(10), folds_of(50), folds_of(18), folds_of(13)
    (10, 5, 9, 13)
    """
    if splits <= MOST_FOLDS:
        return splits
    if splits % USUAL == 0:
        return USUAL
    return next((folds for folds in range(MOST_FOLDS, 2, -1) if splits % folds == 0), splits)


def with_folds(foreign: Sequence[ForeignRun], folds: int | None) -> list[str]:
    """Give each run of a cross-validation its number of folds.

    Args:
        foreign: The runs; `fold` holds a split and how many there are.
        folds: What the user says; None: guessed.

    Returns:
        Sentences on what was guessed.

    Raises:
        ConfigError: The user says how many folds where there is no cross-validation.
    """
    counts = sorted({run.fold[1] for run in foreign if run.fold is not None})
    if folds is not None and not counts:
        raise ConfigError(
            f"--folds {folds}: there is no cross-validation (no column `fold`, no `split0_test_...`)"
        )
    for run in foreign:
        if run.fold is not None:
            run.fold = (run.fold[0], folds or folds_of(run.fold[1]))
    guesses = {count: folds_of(count) for count in counts if folds is None and folds_of(count) != count}
    return [
        f"{count} splits were read as {count // guess} repetitions of {guess} folds: of each, 1 of {guess} "
        "examples is tested. Say otherwise with --folds NUMBER."
        for count, guess in guesses.items()
    ]
