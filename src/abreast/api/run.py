"""A run, as Python sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from abreast.api.html import escaped, table_html
from abreast.api.svg import image_html
from abreast.config.types import Config, Json
from abreast.errors import RunError
from abreast.metrics.registry import STAGES, title
from abreast.report.figures.base import layout, line_style, marker_symbol
from abreast.report.formatting import format_number
from abreast.runs.directory import RunDirectory
from abreast.runs.files import METRICS
from abreast.runs.state import readable_status
from abreast.runtime.given import Kind
from abreast.runtime.printable import printable

if TYPE_CHECKING:
    import pandas as pd

    from abreast.learner.evaluator import Evaluator


class Run:
    """A run: its configuration, its metrics, its trained network.

    Args:
        directory: The run's directory.
        checkpoint: `best`, `last` or a path; None for the one that the run was tested with.
        trust: Packages beside the usual ones that the configuration may build objects of.
        objects: The network and the data, where these were given in Python.
    """

    def __init__(
        self,
        directory: str | PathLike[str],
        *,
        checkpoint: str | None = None,
        trust: Sequence[str] = (),
        objects: Mapping[tuple[Kind, str], Any] | None = None,
    ) -> None:
        self.directory = Path(directory)
        self._files = RunDirectory(self.directory)
        self._checkpoint = checkpoint
        self._trust = tuple(trust)
        self.objects = dict(objects or {})

    @cached_property
    def config(self) -> Config:
        """The resolved configuration, as plain data."""
        return self._files.read_config()

    @property
    def status(self) -> str:
        """`finished`, `interrupted`, `failed`, `dropped` or `running`."""
        return str(readable_status(self._files).get("status", "unreadable"))

    @property
    def result(self) -> Json:
        """What `result.json` says: metrics of the tested weights, time, versions, the confusion matrix.

        Raises:
            RunError: The run was not tested.
        """
        return self._files.read_result()

    @property
    def scores(self) -> dict[str, float]:
        """The metrics of the tested weights by name (`test/accuracy`); empty before the run is finished."""
        try:
            metrics = self.result.get("metrics")
        except RunError:
            return {}
        values = metrics if isinstance(metrics, Mapping) else {}
        return {str(name): value for name, value in values.items() if type(value) in (int, float)}

    @property
    def metrics(self) -> pd.DataFrame:
        """The metrics, one row per epoch; empty before the first epoch has ended."""
        import pandas as pd

        rows = self._files.read_metrics() if (self.directory / METRICS).exists() else []
        if not rows:
            return pd.DataFrame()
        return pd.DataFrame(rows).astype({"epoch": int, "step": int}).set_index("epoch")

    def to_frame(self) -> pd.DataFrame:
        """As `metrics`."""
        return self.metrics

    @cached_property
    def module(self) -> Evaluator:
        """The trained network, in evaluation mode: inputs `[B, *in_shape]` as stored to raw scores.

        `module.net` is the network itself, which takes normalised inputs.

        Raises:
            RunError: There is no checkpoint, or it is broken.
        """
        from abreast.api.session import in_session

        return in_session(self._rebuilt, self.objects)

    def _rebuilt(self) -> Evaluator:
        from abreast.inference.load import rebuild, reopened

        with reopened(self.directory, trust=self._trust, reads_data=False) as (directory, config):
            return rebuild(directory, config, self._checkpoint or config["checkpoint"])

    def predict(self, inputs: Any) -> pd.DataFrame:
        """Predict.

        Args:
            inputs: Examples `[N, *in_shape]` as the data hold them, an array or tensor, or one example; for a
                run on a table a data frame with its columns; or the path of a file, as for `abreast predict`.

        Returns:
            A row for each example: `prediction`, and for classes `probability of <class>`.

        Raises:
            DataError: The inputs do not fit the network.
        """
        from abreast.api.predict import predict_frame

        return predict_frame(self.module, inputs, self.config["data"])

    def evaluate(self, *overrides: str) -> dict[str, float]:
        """Test the network again, on its data or on others (`data=NAME`, `data.KEY=VALUE`).

        Returns:
            The test's metrics by name.
        """
        from abreast.api.session import in_session

        def command() -> dict[str, float]:
            from abreast.inference.evaluate import evaluate

            return evaluate(
                self.directory, checkpoint=self._checkpoint, overrides=overrides, trust=self._trust
            )

        return in_session(command, self.objects)

    def __repr__(self) -> str:
        scores = self.scores
        best = [
            f"{name} {format_number(scores[name])}"
            for name in ("test/accuracy", "test/r2", "test/loss")
            if name in scores
        ][:1]  # a line has room for one
        return printable(f"<abreast.Run {self.directory}: {', '.join([self.status, *best])}>")

    def _repr_html_(self) -> str:
        scores = self.scores
        names = dict.fromkeys(name.partition("/")[2] for name in scores if name.count("/") == 1)
        rows = [
            [title(f"test/{name}"), *(_cell(scores.get(f"{stage}/{name}")) for stage in STAGES)]
            for name in names
        ]
        return f"<p>{escaped(self)}</p>" + table_html(("", *STAGES), rows) + self._curves()

    def _curves(self) -> str:
        """The curves of training and validation; nothing where there are none."""
        try:
            rows = self._files.read_metrics()
        except RunError:
            return ""
        names = [name for name in ("accuracy", "r2", "loss") if any(f"train/{name}" in row for row in rows)]
        if not names:
            return ""
        data = [
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": stage,
                "x": [row["epoch"] for row in rows if key in row],
                "y": [row[key] for row in rows if key in row],
                "line": line_style(index),
                "marker": {"symbol": marker_symbol(index)},
            }
            for index, (stage, key) in enumerate((stage, f"{stage}/{names[0]}") for stage in ("train", "val"))
        ]
        frame = layout("epoch", title(f"val/{names[0]}"), height=300, showlegend=True)
        return image_html({"data": data, "layout": frame}, "Learning curves")


def _cell(value: float | None) -> str:
    return "" if value is None else format_number(value)
