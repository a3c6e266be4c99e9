"""Predictions for arrays, data frames and files, as a data frame."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from abreast.data.table_schema import MISSING
from abreast.errors import DataError
from abreast.inference.predict import checked_rows, predict, read_inputs
from abreast.inference.predict_rows import BATCH, predict_rows

if TYPE_CHECKING:
    from abreast.learner.evaluator import Evaluator

# How a data frame is written, whatever the run's own table was like.
AS_WRITTEN = {"delimiter": ",", "encoding": "utf-8", "decimal": ".", "header": True}


def predict_frame(learner: Evaluator, inputs: Any, data: Mapping[str, Any]) -> pd.DataFrame:
    """Predict.

    Args:
        learner: The network.
        inputs: An array or tensor `[N, *in_shape]`, or one example; a data frame; a path.
        data: The configuration of the run's data.

    Returns:
        A row for each example: `prediction`, and for classes `probability of <class>`.

    Raises:
        DataError: The inputs do not fit the network.
    """
    if isinstance(inputs, (str, PathLike)):
        path = Path(inputs)
        if learner.columns and path.suffix != ".npy":
            return _of_table(path, learner, data)
        rows = read_inputs(path, learner)
    elif isinstance(inputs, pd.DataFrame) and learner.columns:
        return _of_frame(inputs, learner, data)
    else:
        array = inputs.detach().cpu().numpy() if isinstance(inputs, torch.Tensor) else np.asarray(inputs)
        rows = checked_rows(array, learner, "inputs")
    outputs = torch.cat([predict(learner, part) for part in torch.split(rows, BATCH)]).numpy()
    if not learner.classes:
        names = (
            ["prediction"] if outputs.shape[1] == 1 else [f"prediction {n}" for n in range(outputs.shape[1])]
        )
        return pd.DataFrame(outputs, columns=names)
    best = [learner.classes[index] for index in outputs.argmax(1)]
    frame = pd.DataFrame(outputs, columns=[f"probability of {name}" for name in learner.classes])
    frame.insert(0, "prediction", best)
    return frame


def _of_frame(frame: pd.DataFrame, learner: Evaluator, data: Mapping[str, Any]) -> pd.DataFrame:
    """Predict for a data frame, read as a table's file is."""
    missing = data.get("missing")
    texts = MISSING if missing is None else list(map(str, missing))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data frame.csv"
        frame.to_csv(path, index=False, na_rep=next(iter(texts), ""))
        try:
            predictions = _of_table(path, learner, {**data, **AS_WRITTEN})
        except DataError as error:
            raise DataError(str(error).replace(str(path), path.stem)) from None
    return predictions.set_index(frame.index)


def _of_table(path: Path, learner: Evaluator, data: Mapping[str, Any]) -> pd.DataFrame:
    table = predict_rows(path, learner, data)
    frame = pd.DataFrame([list(row) for row in table.rows], columns=list(table.columns))
    probabilities = [name for name in frame.columns if name.startswith("probability of ")]
    return frame.astype(dict.fromkeys(probabilities, float)).drop(columns="row")
