"""A run from its directory: its configuration and its trained network."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from abreast.build.allowlist import check_data_paths, trusted_targets
from abreast.build.components import build_loss, build_net
from abreast.build.metrics import build_metrics
from abreast.build.permissions import Permissions, permitted
from abreast.config.options import MAIN, conf_dir
from abreast.config.targets import is_custom_network
from abreast.config.types import Config, State
from abreast.data.columns import from_json as columns_from_json
from abreast.data.principal_components import Projection
from abreast.errors import ConfigError, DataError, RunError, first_line
from abreast.learner.checkpoint import load
from abreast.learner.data_spec import DataSpec
from abreast.learner.evaluator import Evaluator
from abreast.runs.changes import report_changes
from abreast.runs.config_file import CHOICES, check_shape
from abreast.runs.directory import RunDirectory
from abreast.runs.files import CHECKPOINTS, CONFIG
from abreast.suggestions import did_you_mean
from abreast.validation.hydra_errors import explain
from abreast.validation.stored import TESTED, check_stored

# What Hydra and OmegaConf raise for overrides that cannot be read or composed.
COMPOSING = (HydraException, OmegaConfBaseException, YAMLError, ValueError, TypeError)


@contextmanager
def reopened(
    run: Path, overrides: Sequence[str] = (), trust: Sequence[str] = (), *, reads_data: bool = True
) -> Iterator[tuple[RunDirectory, Config]]:
    """Open a run. Inside the `with` block, what its configuration names can be built, and nothing else.

    Args:
        run: The run's directory.
        overrides: `data=NAME` or `data.KEY=VALUE`, to choose other data.
        trust: Packages beside the usual ones that the configuration may build objects of, and folders that
            its data may lie in.
        reads_data: Whether the run's data are read.

    Yields:
        The run's directory and its configuration.
    """
    directory = RunDirectory(run)
    config = directory.read_config()
    check_shape(config, run / CONFIG)
    report_changes(directory)
    if overrides:
        config["data"] = _other_data(config["data"], overrides)
    is_users_data = any(override.startswith(("data=", "data.mirrors=")) for override in overrides)
    if reads_data and not any(override.startswith("data=") for override in overrides):
        keys = [override.partition("=")[0].removeprefix("data.") for override in overrides]
        check_data_paths(config["data"], run, (*keys, *trust))
    targets = trusted_targets(config, trust)
    check_stored(config, run / CONFIG, TESTED if reads_data else TESTED[1:])
    permissions = Permissions(tuple(targets), downloads=is_users_data)
    with permitted(permissions, reset=True):
        yield directory, config


def rebuild(directory: RunDirectory, config: Config, name: str = "best") -> Evaluator:
    """Build the run's network with the weights of a checkpoint.

    Args:
        directory: The run's directory.
        config: The run's configuration.
        name: `best`, `last`, or the path of a checkpoint.

    Returns:
        The network with its loss, in evaluation mode.

    Raises:
        RunError: The checkpoint is missing, broken, or one of another network.
    """
    file = directory.checkpoint(name) if name in CHOICES else Path(name)
    try:
        content = load(file)
    except RunError as error:
        raise RunError(f"{error}. Another one can be chosen: --checkpoint last, best or a path") from None
    if name in CHOICES:
        report_changes(directory, [f"{CHECKPOINTS}/{file.name}"])
    facts: State = content.get("abreast", {})
    try:
        data = _data_spec(facts, content["state_dict"])
        net = build_net(config, data.net_shape, data.out_features)
        metrics = build_metrics(config, len(data.classes), data.out_features)
        loss, is_custom = build_loss(config, data.out_features), is_custom_network(config["model"])
        learner = Evaluator(net, loss, data, metrics, saves_attributes=is_custom)
        learner.load_state_dict(content["state_dict"])
    except (KeyError, TypeError, ValueError, RuntimeError, DataError, RunError) as error:
        reason = first_line(error)
        raise RunError(f"{file}: not a checkpoint of this run's network ({reason})") from None
    return learner.eval()


def _data_spec(facts: State, weights: State) -> DataSpec:
    """What a checkpoint says of the data; the moments' values are among the weights."""
    mean, scale = weights["normalize.mean"], weights["normalize.scale"]
    columns, in_shape = columns_from_json(facts.get("columns", [])), tuple(facts["in_shape"])
    if not isinstance(mean, torch.Tensor) or not isinstance(scale, torch.Tensor):
        raise DataError("mean and deviation are not tensors")
    shapes = [(sum(c.width for c in columns),)] if columns else [(), (*in_shape[:1], 1, 1)]
    if mean.shape != scale.shape or tuple(mean.shape) not in shapes:
        raise DataError(f"mean and deviation are of shape {list(mean.shape)} and {list(scale.shape)}")
    return DataSpec(
        in_shape,
        int(facts["out_features"]),
        tuple(facts["classes"]),
        facts["peak"],
        torch.zeros_like(mean),
        torch.ones_like(scale),
        columns,
        tuple((float(mean), float(std)) for mean, std in facts.get("target_scale", [])),
        _projection(weights, math.prod(in_shape)),
    )


def _projection(weights: State, values: int) -> Projection | None:
    """A projection of the size of a checkpoint's, on so many values; None where it has none."""
    components, offset = weights.get("normalize.components"), weights.get("normalize.offset")
    if components is None and offset is None:
        return None
    if not isinstance(components, torch.Tensor) or not isinstance(offset, torch.Tensor):
        raise DataError("principal components are not tensors")
    if components.shape != (len(offset), values) or offset.ndim != 1:
        raise DataError(f"principal components are of shape {list(components.shape)}")
    return Projection(torch.zeros_like(components), torch.zeros_like(offset))


def _other_data(data: Config, overrides: Sequence[str]) -> Config:
    """The data that the overrides describe: the run's with other values, or another option's."""
    for override in overrides:
        if not override.startswith(("data=", "data.")) or "=" not in override:
            raise ConfigError(f"{override}: only the data can be changed: data=NAME or data.KEY=VALUE")
    if any(override.startswith("data=") for override in overrides):
        try:
            with initialize_config_dir(str(conf_dir())):
                return plain(compose(MAIN, overrides=list(overrides)).data)
        except Exception as error:
            if not isinstance(error, COMPOSING):
                raise
            raise ConfigError(explain(error, overrides, [conf_dir()])) from error
    try:
        merged = OmegaConf.create(data)
        for override in overrides:
            key, value = override.removeprefix("data.").split("=", 1)
            if key not in merged:
                near = did_you_mean(key, map(str, merged), "data.{}")
                raise ConfigError(f"{override}: the run's data take {', '.join(map(str, merged))}{near}")
            merged.merge_with(OmegaConf.from_dotlist([f"{key}={value}"]))
        return plain(merged)
    except COMPOSING as error:
        raise ConfigError(f"{' '.join(overrides)}: {first_line(error)}") from error


def plain(node: Any) -> Config:
    """A resolved configuration node as plain data."""
    content = OmegaConf.to_container(node, resolve=True, throw_on_missing=True)
    assert isinstance(content, dict)
    return {str(key): value for key, value in content.items()}
