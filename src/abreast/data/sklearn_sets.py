"""The small tables that come with scikit-learn: real data without a download."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
import torch
from annotated_types import Gt, Lt

from abreast.data.columns import numbers
from abreast.data.drawn_source import drawn_source
from abreast.data.source import Source
from abreast.data.split import stratified_split
from abreast.errors import ConfigError

Name = Literal["breast_cancer", "diabetes", "iris", "wine"]


def sklearn(name: Name = "breast_cancer", test_fraction: Annotated[float, Gt(0), Lt(1)] = 0.2) -> Source:
    """A table of scikit-learn, float32 `[N, F]`, each column standardised, and a stratified test split.

    Args:
        name: breast_cancer (569 rows, 30 columns, 2 classes), wine (178, 13, 3), iris (150, 4, 3), or
            diabetes (442, 10, a regression whose targets are a disease's progression after a year).
        test_fraction: Of all rows, above 0. Another split seed, or a fold, chooses other rows.

    Raises:
        ConfigError: The name is unknown, or nothing is left to test on.
    """
    from sklearn import datasets  # a second to import

    if name not in ("breast_cancer", "diabetes", "iris", "wine"):
        raise ConfigError(f"data.{name=!r} must be breast_cancer, diabetes, iris or wine")
    options = {"scaled": False} if name == "diabetes" else {}
    table = getattr(datasets, f"load_{name}")(**options)
    inputs = torch.tensor(table.data, dtype=torch.float32)
    if name == "diabetes":
        classes: tuple[str, ...] = ()
        targets = torch.tensor(table.target, dtype=torch.float32)[:, None]
    else:
        classes = tuple(map(str, table.target_names))
        targets = torch.from_numpy(np.asarray(table.target, dtype=np.int64))
    train, test = stratified_split(targets, test_fraction, seed=0)
    if not len(test):
        raise ConfigError(f"{test_fraction=!r} leaves nothing to test on: it must be above 0.")
    return drawn_source(inputs, targets, (train, test), classes, numbers(table.feature_names))
