"""Summaries for TensorBoard's dashboards HPARAMS and Custom Scalars."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence

from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.custom_scalar import metadata as custom_scalars
from tensorboard.plugins.hparams import api_pb2, plugin_data_pb2
from tensorboard.plugins.hparams import metadata as hparams

from abreast.hparams.experiment import Column, Value, experiment


def session_start(row: Mapping[str, Value]) -> Summary:
    """The hyperparameters of a run.

    Without a summary of the experiment beside it: TensorBoard would take the columns of all runs from that of
    the first run that has one.
    """
    start = plugin_data_pb2.SessionStartInfo(start_time_secs=time.time())
    for name, value in row.items():
        if isinstance(value, bool):
            start.hparams[name].bool_value = value
        elif isinstance(value, str):
            start.hparams[name].string_value = value
        else:
            start.hparams[name].number_value = value
    data = plugin_data_pb2.HParamsPluginData(session_start_info=start)
    return _hparams_summary(hparams.SESSION_START_INFO_TAG, data)


def session_end() -> Summary:
    """The end of a run that has its final metrics."""
    end = plugin_data_pb2.SessionEndInfo(status=api_pb2.STATUS_SUCCESS, end_time_secs=time.time())
    data = plugin_data_pb2.HParamsPluginData(session_end_info=end)
    return _hparams_summary(hparams.SESSION_END_INFO_TAG, data)


def columns_of_runs(columns: Sequence[Column], metrics: Mapping[str, str]) -> Summary:
    """The columns of the runs below a folder.

    Args:
        columns: The hyperparameters.
        metrics: Titles of the metrics by tag, in their order.
    """
    data = plugin_data_pb2.HParamsPluginData(experiment=experiment(columns, metrics))
    return _hparams_summary(hparams.EXPERIMENT_TAG, data)


def layout(title: str, names: Sequence[str]) -> Summary:
    """A chart for each metric with its curves in training and validation together.

    Args:
        title: The heading of the charts.
        names: Names of metrics, such as `accuracy` for `train/accuracy` and `val/accuracy`.
    """
    charts = []
    for name in names:
        tags = layout_pb2.MultilineChartContent(tag=[f"(train|val)/{re.escape(name)}$"])
        charts.append(layout_pb2.Chart(title=name, multiline=tags))
    content = layout_pb2.Layout(category=[layout_pb2.Category(title=title, chart=charts)])
    tensor = TensorProto(
        dtype="DT_STRING", string_val=[content.SerializeToString()], tensor_shape=TensorShapeProto()
    )
    return _summary(custom_scalars.CONFIG_SUMMARY_TAG, custom_scalars.create_summary_metadata(), tensor)


def _hparams_summary(tag: str, data: plugin_data_pb2.HParamsPluginData) -> Summary:
    return _summary(tag, hparams.create_summary_metadata(data), hparams.NULL_TENSOR)


def _summary(tag: str, metadata: SummaryMetadata, tensor: TensorProto) -> Summary:
    return Summary(value=[Summary.Value(tag=tag, metadata=metadata, tensor=tensor)])
