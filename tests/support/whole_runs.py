"""Every file that a run leaves, less what may differ between two runs of one configuration: times."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from abreast.learner.checkpoint import load

TIMES = {"seconds", "execution", "checksums", "digests", "files"}  # keys of result.json and checkpoints
OF_LAUNCHER = ("launcher", "sweep", "hydra_logging")  # Hydra's keys that another launcher changes


def files_of(run: Path, *, replaced: dict[str, str], across_launchers: bool = False) -> dict[str, Any]:
    """The content of every file below the run's directory, by its name there.

    Args:
        run: The directory.
        replaced: What takes the place of paths in the files.
        across_launchers: Whether Hydra's files are compared with those of another launcher.
    """
    contents = {}
    for path in sorted(run.rglob("*")):
        if path.is_file():
            name = re.sub(r"(tfevents)\..*", r"\1", path.relative_to(run).as_posix())
            assert name not in contents, f"two files {name}"
            contents[name] = _content(path, replaced, across_launchers)
    return contents


def _content(path: Path, replaced: dict[str, str], across_launchers: bool) -> Any:
    if path.suffix == ".ckpt":
        return _plain(load(path), replaced)
    if "tfevents" in path.name:
        return _events(path)
    text = path.read_bytes().decode("latin-1")
    for part, by in replaced.items():
        text = text.replace(part, by)
    if path.name == "hydra.yaml" and across_launchers:
        return _hydra(text)
    if path.name == "result.json":
        return {key: value for key, value in json.loads(text).items() if key not in TIMES}
    if path.name == "metrics.csv":
        header, *rows = (line.split(",") for line in text.splitlines())
        return [[cell for cell, name in zip(row, header, strict=True) if name != "seconds"] for row in rows]
    return text


def _plain(node: Any, replaced: dict[str, str]) -> Any:
    """A checkpoint's content without times, tensors as bytes."""
    import torch

    if isinstance(node, dict):
        return {_plain(k, replaced): _plain(v, replaced) for k, v in node.items() if k not in TIMES}
    if isinstance(node, list | tuple):
        return [_plain(value, replaced) for value in node]
    if isinstance(node, torch.Tensor):
        return str(node.dtype), list(node.shape), node.contiguous().view(-1).view(torch.uint8).tolist()
    for part, by in replaced.items() if isinstance(node, str) else ():
        node = node.replace(part, by)
    return repr(node)


def _hydra(text: str) -> Any:
    import yaml

    hydra = yaml.safe_load(text)["hydra"]
    hydra = {key: value for key, value in hydra.items() if key not in OF_LAUNCHER}
    del hydra["runtime"]["output_dir"], hydra["runtime"]["choices"]["hydra/launcher"]
    del hydra["overrides"]["hydra"]
    return hydra


def _events(path: Path) -> list[Any]:
    """The events of a file for TensorBoard, without their times; the order of hyperparameters is random."""
    from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    events = []
    for record in RawEventFileLoader(str(path)).Load():
        event = Event.FromString(record)
        event.wall_time = 0
        for value in event.summary.value:
            if value.metadata.plugin_data.plugin_name == "hparams":
                data = HParamsPluginData.FromString(value.metadata.plugin_data.content)
                data.session_start_info.start_time_secs = data.session_end_info.end_time_secs = 0
                data.session_start_info.group_name = data.experiment.name = ""
                data.experiment.time_created_secs = 0
                hparams = sorted(map(str, data.session_start_info.hparams.items()))
                data.session_start_info.hparams.clear()
                events.append((value.tag, str(data), hparams))
                value.metadata.plugin_data.content = b""
        events.append(str(event))
    return events
