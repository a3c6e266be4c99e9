"""The run's data."""

from __future__ import annotations

import inspect

import hydra.utils

from abreast.build.instantiate import make
from abreast.config.schema import LoaderKeys, names
from abreast.config.types import Config
from abreast.data.datamodule import DataModule
from abreast.data.source import Source
from abreast.data.target_scale import TargetScale
from abreast.errors import ConfigError
from abreast.learner.data_spec import DataSpec


def build_source(cfg: Config) -> Source:
    """Load the run's data set.

    Args:
        cfg: The run's configuration.

    Raises:
        ConfigError: The data do not fit `data.task`, or the target returns something else.
        DataError: The data are broken.
    """
    node = {key: value for key, value in cfg["data"].items() if key not in names(LoaderKeys)}
    if "task" in inspect.signature(hydra.utils.get_object(node["_target_"])).parameters:
        node["task"] = cfg["data"]["task"]
    source = make("data", node)
    if not isinstance(source, Source):
        raise ConfigError(f"data: {node['_target_']} returned {type(source).__name__}, not an abreast Source")
    task = cfg["data"]["task"]
    if (task == "classification") != bool(source.classes):
        raise ConfigError(f"data.task={task}, but {node['_target_']} gives {len(source.classes)} classes")
    return source


def build_data(
    cfg: Config,
    steps: int = 1,
    source: Source | None = None,
    *,
    shared: bool = False,
    scale: TargetScale | None = None,
) -> DataModule:
    """Load and split the run's data.

    Args:
        cfg: The run's configuration.
        steps: Mini-batches of a block; 1 for ordinary Lightning.
        source: The data set, where it is loaded already.
        shared: Whether other data modules share its rows.
        scale: Of the targets, where a network was trained with it; its principal components are in its
            checkpoint.

    Raises:
        ConfigError: As `build_source`; or the split asks for a fold that does not exist.
        DataError: The data are broken, or too few.
    """
    loader = {key: cfg["data"][key] for key in names(LoaderKeys) if key in cfg["data"] and key != "task"}
    if scale is not None:
        loader["pca"] = None
    return DataModule(
        source or build_source(cfg),
        **loader,
        seed=cfg["seed"],
        steps=steps,
        limits={stage: cfg["trainer"].get(f"limit_{stage}_batches") for stage in ("train", "val", "test")},
        ignore_index=ignore_index(cfg),
        shared=shared,
        scale=scale,
    )


def ignore_index(cfg: Config) -> int | None:
    """The label that the loss ignores, or None. Raises ConfigError where the data mark another one."""
    value = cfg["loss"]["criterion"].get("ignore_index")
    marked = cfg["data"].get("ignore_index")
    if marked is not None and marked != value:
        raise ConfigError(
            f"data.ignore_index={marked}, but loss.criterion.ignore_index={value}: set both to the label "
            "that marks examples without a class, with a loss that has the key (cross_entropy, nll)"
        )
    return None if value is None else int(value)


def data_spec(data: DataModule) -> DataSpec:
    """What a learner has to know of the data."""
    return DataSpec(
        data.in_shape,
        data.out_features,
        data.classes,
        data.peak,
        data.mean,
        data.std,
        data.columns,
        data.target_scale,
        data.projection,
    )
