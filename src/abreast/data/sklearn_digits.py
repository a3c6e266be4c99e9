"""The 8 x 8 handwritten digits that come with scikit-learn: real data without a download."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from annotated_types import Gt, Lt
from torch import Tensor

from abreast.data.drawn_source import drawn_source
from abreast.data.source import Source
from abreast.data.split import stratified_split
from abreast.errors import ConfigError, DataError


def digits(test_fraction: Annotated[float, Gt(0), Lt(1)] = 0.2) -> Source:
    """1,797 images, uint8 `[N, 1, 8, 8]` with values 0..16, 10 classes, and a stratified test split.

    Source: Alpaydin & Kaynak 1998, doi 10.24432/C50P49, the 1,797 rows of its test set.

    Args:
        test_fraction: Share of the rows to test on. Another split seed, or a fold, chooses other rows.

    Raises:
        DataError: scikit-learn, which has the rows, is not installed, or its file is broken.
        ConfigError: The share leaves nothing to test on.
    """
    inputs, targets = _read(_packaged())
    train, test = stratified_split(targets, test_fraction, seed=0)
    if not len(test):
        raise ConfigError(f"{test_fraction=!r} leaves nothing to test on: it must be above 0.")
    return drawn_source(inputs, targets, (train, test), tuple("0123456789"))


def _packaged() -> Path:
    # Found without importing scikit-learn, which takes longer than training on these rows.
    spec = find_spec("sklearn")
    if spec is None or spec.origin is None:
        raise DataError("The digits come with scikit-learn, which is not installed: pip install scikit-learn")
    return Path(spec.origin).parent / "datasets" / "data" / "digits.csv.gz"


def _read(path: Path) -> tuple[Tensor, Tensor]:
    try:
        table = np.loadtxt(path, dtype=np.uint8, delimiter=",")
    except (OSError, EOFError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({error}). Reinstall scikit-learn.") from error
    if table.shape != (1797, 65):
        raise DataError(
            f"{path}: holds {list(table.shape)} values, expected [1797, 65]. Reinstall scikit-learn."
        )
    rows = torch.from_numpy(table)
    return rows[:, :-1].reshape(-1, 1, 8, 8), rows[:, -1].long()
