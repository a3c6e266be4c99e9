"""Lets TensorBoard find the columns of HPARAMS in all runs that it shows, of however many sweeps.

TensorBoard takes the columns from one summary of an experiment: from whichever it meets first. Each sweep has
one, so that of several sweeps, or of a sweep beside single runs, columns would be missing. `pyproject.toml`
names this plugin among the entry points that TensorBoard loads; it has no tab of its own.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from functools import wraps
from typing import Any

from tensorboard.plugins import base_plugin
from tensorboard.plugins.hparams import api_pb2, backend_context, metadata

from abreast.config.targets import GROUPS
from abreast.hparams.columns import FIRST, MOST_TICKED, Row, VariedColumns
from abreast.hparams.experiment import Column, experiment, titles_of
from abreast.runtime.patches import is_on

Contents = Mapping[str, Mapping[str, bytes]]  # of HPARAMS' summaries, by run and tag


class HparamsLoader(base_plugin.TBLoader):  # type: ignore[misc]  # which has no types
    """What TensorBoard loads."""

    def load(self, context: object) -> None:
        """Change where HPARAMS finds its columns; there is no plugin to show."""
        context_class = backend_context.Context
        if is_on("hparams_columns") and not hasattr(context_class.experiment_from_metadata, "__wrapped__"):
            context_class.experiment_from_metadata = _of_all_runs(context_class.experiment_from_metadata)


def _of_all_runs(original: Callable[..., Any]) -> Callable[..., Any]:
    signature = inspect.signature(original)

    @wraps(original)
    def experiment_from_metadata(*args: Any, **kwargs: Any) -> Any:
        given = signature.bind(*args, **kwargs).arguments
        context, limit = given["self"], given.get("hparams_limit")
        contents = given["hparams_run_to_tag_to_content"]
        rows = rows_of(contents)
        if not rows:
            return original(*args, **kwargs)
        tags = set()
        if given.get("include_metrics", True):
            scalars = context.scalars_metadata(given["ctx"], given["experiment_id"])
            tags = {tag for run in rows for tag in scalars.get(run, ())}
        result = experiment_of(list(rows.values()), tags, contents)
        if limit:
            del result.hparam_infos[limit:]
        return result

    return experiment_from_metadata


def rows_of(contents: Contents) -> dict[str, Row]:
    """The hyperparameters by run; none at all if a run is not one of Abreast's."""
    rows = {}
    for run, by_tag in contents.items():
        if metadata.SESSION_START_INFO_TAG in by_tag:
            start = metadata.parse_session_start_info_plugin_data(by_tag[metadata.SESSION_START_INFO_TAG])
            if not start.hparams.keys() >= set(GROUPS):
                return {}
            kinds = {name: value.WhichOneof("kind") for name, value in start.hparams.items()}
            rows[run] = {name: getattr(start.hparams[name], kind) for name, kind in kinds.items() if kind}
    return rows


def experiment_of(rows: Collection[Row], tags: Collection[str], contents: Contents) -> api_pb2.Experiment:
    """The columns of runs.

    Args:
        rows: Their hyperparameters.
        tags: Of their scalars.
        contents: Where sweeps have left the titles of their metrics.
    """
    varied = VariedColumns()
    for row in rows:
        varied.add(row)
    titles = titles_of(tags)
    for by_tag in contents.values():
        if metadata.EXPERIMENT_TAG in by_tag:
            of_sweep = metadata.parse_experiment_plugin_data(by_tag[metadata.EXPERIMENT_TAG])
            for info in of_sweep.metric_infos:
                if info.name.tag in titles and info.display_name:
                    titles[info.name.tag] = info.display_name
    return experiment(varied.columns or _of_one_setting(rows), titles)


def _of_one_setting(rows: Collection[Row]) -> list[Column]:
    """What is shown where nothing varies."""
    (row, *_) = rows
    return [Column(name, [row[name]], is_ticked=True) for name in FIRST[:MOST_TICKED] if name in row]
