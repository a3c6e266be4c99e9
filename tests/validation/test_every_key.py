"""Every key of the default configuration with every kind of bad value: one message, or a value that works."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from abreast.errors import AbreastError, ConfigError, DivergedError
from abreast.training.run import run
from abreast.validation.validate import validate
from support.helpers import allowed, compose

# What a hand, a script or a damaged file puts in the place of a value.
BAD: list[Any] = [
    *(None, "", "x", "1", "???", True, 0, -1, 1, 0.5, -0.0, 5e-324, 1e308, float("nan"), float("inf")),
    *(10**25, 10**400, [], [1, 2], ["a"], [None], [[]], {}, {"a": 1}, [{}], {"": 0}),
    *({"_target_": "torch.nn.MSELoss"}, {"_target_": 3}, "\ud800", "a\0b", "${nope}", "$", "é" * 300),
]
TINY = ("data=random", "data.size=100", "data.test_size=30", "trainer=cpu", "trainer.max_epochs=1")
CONFIG = compose(*TINY, "model.hidden=[4]", "steps_per_execution=4")


def keys(node: dict[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, value in node.items():
        yield (*above, name)
        if isinstance(value, dict):
            yield from keys(value, (*above, name))


KEYS = [key for key in keys(CONFIG) if key[0] != "names"]
PAIRS = list(itertools.product(KEYS, range(len(BAD))))
assert len(KEYS) > 60


def changed(key: tuple[str, ...], value: Any) -> dict[str, Any]:
    config = copy.deepcopy(CONFIG)
    node = config
    for name in key[:-1]:
        node = node[name]
    node[key[-1]] = value
    return config


def is_accepted(config: dict[str, Any]) -> bool:
    """Whether the checks before training have nothing to say; what they say is short and in lines."""
    try:
        validate({"sweep": {"on_fail": "continue"}, **{k: v for k, v in config.items() if k != "names"}})
    except ConfigError as error:
        lines = str(error).splitlines()
        assert lines
        assert all(len(line) < 900 for line in lines)
        return False
    return True


@pytest.mark.parametrize("part", range(3))
def test_a_message_or_accepted(part: int) -> None:
    """A fifth of the pairs, evenly spread: every key, and every value, in each part."""
    pairs = PAIRS[part::19]
    assert {key for key, _ in pairs} == {*KEYS} or len(pairs) > 100
    accepted = [pair for pair in pairs if is_accepted(changed(pair[0], BAD[pair[1]]))]
    assert len(accepted) < len(pairs) / 4


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:.*max_epochs. was not set")  # null: 1000, as Lightning says
@pytest.mark.filterwarnings(
    "ignore:Total length of `EvalLoader`"
)  # no validation examples, as Lightning says
def test_what_is_accepted_can_be_trained(tmp_path: Path) -> None:
    """All pairs. What only training can find is one message, too, and never a traceback."""
    accepted = [pair for pair in PAIRS if is_accepted(changed(pair[0], BAD[pair[1]]))]
    assert 50 < len(accepted) < len(PAIRS) / 8
    late = []
    for number, (key, index) in enumerate(accepted):
        if key == ("compile",):
            continue
        try:
            with allowed():
                run(changed(key, BAD[index]), tmp_path / str(number))
        except DivergedError:
            assert BAD[index] == 1e308
        except AbreastError:
            late.append(".".join(key))
    assert not {*late} - OBJECTS, late


# Where any object may stand, so that only its use can tell; and what depends on the number of rows or on
# the widths of the network.
OBJECTS = {
    *("model.gain", "model.residual"),
    *("model", "optim.lr", "optim.betas", "loss.criterion.weight", "data.size", "trainer.devices"),
    *("trainer.accelerator", "trainer.strategy"),
}


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        (
            "loss.criterion",
            None,
            "loss.criterion: has no _target_, the dotted name of the criterion to build",
        ),
        ("loss.criterion.weight", [1, 2], "loss.criterion.weight: has 2 numbers for 10 classes"),
        ("loss.criterion.weight", [1], "loss.criterion.weight: has 1 number for 10 classes"),
        ("loss.tasks", 3, "loss.tasks: 3 is not a list"),
        ("data.batch_size", 10**25, "data.batch_size: 10000000000000000000000000 is too large"),
        ("seed", 10**3000, "seed: a number of 3001 digits is too large"),
        ("optim.lr", 5e-324, "optim.lr: 5e-324 is too small to compute with; write 0"),
        ("monitor", "a\0", "monitor: 'a\\x00' has a zero byte in it"),
        ("monitor", "\udcff", "monitor: '\\udcff' has half a character (not UTF-8) in it"),
        ("steps_per_execution", {"_target_": "x.y"}, "steps_per_execution: an object (x.y) is not a whole"),
        ("trainer.accelerator", 0, "trainer.accelerator: must be one of auto, cpu, gpu"),
        ("trainer.accelerator", None, "trainer.accelerator: must be one of auto, cpu, gpu"),
        ("trainer.strategy", [], "trainer.strategy: must be auto, ddp"),
        ("trainer.limit_train_batches", 1e308, "trainer.limit_train_batches: must be a number of batches"),
        ("trainer._target_", "torch.nn.MSELoss", "trainer._target_: torch.nn.MSELoss is not Lightning's"),
        ("model._target_", "torch.optim.Adam", "model._target_: torch.optim.Adam is not a network"),
        ("optim._target_", "torch.nn.Flatten", "optim._target_: torch.nn.Flatten is not an optimizer"),
        ("loss.criterion._target_", "torch.optim.SGD", "loss.criterion._target_: torch.optim.SGD is not a"),
        (
            "callbacks.progress._target_",
            "lightning.pytorch.loggers.CSVLogger",
            "callbacks.progress._target_: lightning.pytorch.loggers.CSVLogger is not a Lightning Callback",
        ),
    ],
)
def test_a_message_names_the_key(key: str, value: Any, message: str) -> None:
    config = compose("loss=cross_entropy", "logger=tensorboard", "callbacks=default")
    node: dict[str, Any] = config
    *above, last = key.split(".")
    for name in above:
        node = node[name]
    node[last] = value
    with pytest.raises(ConfigError) as error:
        validate({"sweep": {"on_fail": "continue"}, **{k: v for k, v in config.items() if k != "names"}})
    assert any(line.startswith(message) for line in str(error.value).splitlines()), str(error.value)


@pytest.mark.parametrize("group", ["callbacks", "logger"])
def test_null_leaves_an_entry_out(group: str, tmp_path: Path) -> None:
    """In a configuration that Hydra composed, and in one that somebody edited."""
    config = compose(*TINY, "model.hidden=[4]", "callbacks=default")
    for name in config[group]:
        config[group][name] = None
    with allowed():
        run(config, tmp_path / "run")
    assert (tmp_path / "run" / "result.json").exists()
    assert not [*(tmp_path / "run").glob("events.*")] or group == "callbacks"
