"""The columns of HPARAMS, found in all runs that TensorBoard shows, of however many sweeps.

TensorBoard takes the columns from one summary of an experiment: from whichever it meets first. Each sweep has
one, so that of several sweeps, or of a sweep beside single runs, columns would be missing.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Collection, Mapping
from functools import wraps
from typing import Any

from tensorboard.plugins.hparams import api_pb2, backend_context, metadata

from abreast.config.targets import GROUPS
from abreast.errors import class_and_line
from abreast.hparams.columns import FIRST, MOST_TICKED, Row, VariedColumns
from abreast.hparams.experiment import Column, experiment, titles_of

log = logging.getLogger(__name__)

Contents = Mapping[str, Mapping[str, bytes]]  # of HPARAMS' summaries, by run and tag


def find_columns_in_all_runs() -> None:
    """Change where HPARAMS finds its columns."""
    context_class = backend_context.Context
    if not hasattr(context_class.experiment_from_metadata, "__wrapped__"):
        context_class.experiment_from_metadata = _of_all_runs(context_class.experiment_from_metadata)


def _of_all_runs(original: Callable[..., Any]) -> Callable[..., Any]:
    signature = inspect.signature(original)

    @wraps(original)
    def experiment_from_metadata(*args: Any, **kwargs: Any) -> Any:
        try:
            result = _experiment(signature.bind(*args, **kwargs).arguments)
        except Exception as error:
            log.warning("HPARAMS shows TensorBoard's own columns: %s", class_and_line(error))
            result = None
        return original(*args, **kwargs) if result is None else result

    return experiment_from_metadata


def _experiment(given: Mapping[str, Any]) -> api_pb2.Experiment | None:
    """What TensorBoard's function is to return for these arguments; None for runs of others."""
    context, limit = given["self"], given.get("hparams_limit")
    contents = given["hparams_run_to_tag_to_content"]
    rows = rows_of(contents)
    if not rows:
        return None
    tags = set()
    if given.get("include_metrics", True):
        scalars = context.scalars_metadata(given["ctx"], given["experiment_id"])
        tags = {tag for run in rows for tag in scalars.get(run, ())}
    result = experiment_of(list(rows.values()), tags, contents)
    if limit:
        del result.hparam_infos[limit:]
    return result


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
