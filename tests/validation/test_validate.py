"""The checks of a composed configuration, against the libraries that would refuse it later."""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.accelerators import AcceleratorRegistry
from lightning.pytorch.strategies import StrategyRegistry
from omegaconf import OmegaConf

import abreast.losses
from abreast.config.criterion_specs import SPECS
from abreast.errors import ConfigError
from abreast.losses import settings
from abreast.static import definitions, signatures
from abreast.static.annotations import read
from abreast.static.fit import describe, misfit, out_of_bounds
from abreast.validation.loss_forms import spec_of
from abreast.validation.ranges import RULES, STRATEGIES
from abreast.validation.validate import validate
from support.helpers import CONF, compose, options
from support.optimizers import OF_TORCH, OTHERS

FILES = ["train_images", "train_labels", "test_images", "test_labels"]
NEEDED = {
    "data=idx": [f"data.{name}=file" for name in FILES],
    "data=images": ["data.dir=folder"],
    "data=npz": ["data.file=file"],
    "data=table": ["data.file=file", "data.target=column"],
    "data=torchvision": ["data.name=CIFAR10"],
    "data=random_regression": ["loss=mse"],
    **{f"metrics={name}": ["data=random_regression", "loss=mse"] for name in ("mae", "r2", "rmse")},
}
PACKAGES = {
    "optim=schedule_free": ["schedulefree"],
    **{f"optim={name}": ["pytorch_optimizer"] for name in OTHERS if name not in ("lookahead", "sam")},
    "logger=wandb": ["wandb"],
    "logger=mlflow": ["mlflow"],
    "logger=many": ["wandb", "mlflow"],
}
IN_TEST_LONG = ("logger=wandb", "logger=mlflow", "logger=many")  # which installs their packages
CHOICES = [
    f"{'+' * (group.name == 'study')}{group.name}={option}"  # a study is no part of every run
    for group in sorted(CONF.iterdir())
    if group.is_dir() and group.name != "hydra"
    for option in options(group.name)
    if option != "given"  # tests/api has objects to give
]


def problems(config: Any) -> Any:
    """The lines of the message; [] for a sound configuration."""
    try:
        validate(config)
    except ConfigError as error:
        return str(error).split("\n")
    return []


@pytest.mark.parametrize(
    "choice",
    [pytest.param(it, marks=[pytest.mark.long] * it.startswith(IN_TEST_LONG)) for it in CHOICES],
)
def test_every_option_is_sound(choice: Any) -> None:
    missing = [name for name in PACKAGES.get(choice, ()) if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"{missing} not installed")
    assert problems(compose(choice, *NEEDED.get(choice, ()))) == []


def test_loggers_whose_package_is_missing_are_sound_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("abreast.validation.components.is_installed", lambda name: True)
    assert problems(compose("logger=many")) == []


@pytest.mark.parametrize("choice", [f"loss={name}" for name in ("huber", "l1", "mse")])
def test_losses_for_regression(choice: Any) -> None:
    assert problems(compose("data=random_regression", choice)) == []


@pytest.mark.parametrize(
    "line",
    [
        "data.val_fraction=0",
        "data.val_fraction=0 monitor=train/loss callbacks=early_stopping",
        "data=random data.classes=3 loss.criterion.weight=[1,2,3]",
        "+optim.maximize=true",
        "+optim.foreach=false",
        "optim.lr=1",
        "optim.lr=0",
        "trainer.max_epochs=-1 trainer.max_steps=10",
        "trainer.devices=auto",
        "trainer.devices=[0,1]",
        "trainer.precision=32",
        "trainer.strategy=ddp_find_unused_parameters_true",
        "model.hidden=[]",
        "model.norm=batch",
        "schedule=one_cycle optim=adam schedule.scheduler.cycle_momentum=true",
        "schedule=plateau schedule.monitor=val/accuracy schedule.scheduler.mode=max",
        "loss=focal loss.criterion.alpha=[0.1,0.2,0.1,0.1,0.1,0.1,0.1,0.1,0.05,0.05]",
        "loss=mse loss.scores=probs loss.tasks=[classification]",
        "+logger.tensorboard.name=mine",
        "logger=none",
    ],
)
def test_sound_configurations(line: str) -> None:
    assert problems(compose(*line.split(" "))) == []


def test_an_omegaconf_node_and_plain_data_are_the_same() -> None:
    config = compose("optim.lr=-1", "seed=-1")
    assert (
        problems(OmegaConf.create(config))
        == problems(config)
        == [
            "seed: must be in [0, 2**32), got -1",
            "optim.lr: must be at least 0, got -1",
        ]
    )


def test_interpolations_are_followed() -> None:
    config = compose("schedule=one_cycle", "optim.lr=-1")
    assert [line.partition(":")[0] for line in problems(config)] == ["optim.lr", "schedule.scheduler.max_lr"]


# Optimizers and their arguments against torch's own constructors.

OPTIMIZERS = [name for name in OF_TORCH if name not in ("schedule_free", "muon")]
VALUES = [-1.0, -0.5, 0.5, 1.0, 2.0]
# What torch takes without a word and is no use.
STRICTER = {
    ("asgd", "alpha"), ("asgd", "lambd"), ("asgd", "t0"), ("rprop", "step_sizes"),
    ("lbfgs", "tolerance_grad"), ("lbfgs", "tolerance_change"),
}  # fmt: skip


def _torch_refuses(node: Any) -> Any:
    arguments = {name: value for name, value in node.items() if name not in ("_target_", "_partial_")}
    arguments = {
        name: tuple(value) if isinstance(value, list) else value for name, value in arguments.items()
    }
    try:
        getattr(torch.optim, node["_target_"].rpartition(".")[2])(
            [torch.nn.Parameter(torch.zeros(2, 2))], **arguments
        )
    except ValueError:
        return True
    return False


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_ranges_of_optimizers_are_torch_s(name: Any) -> None:
    config = compose(f"optim={name}")
    tried = 0
    for key, default in config["optim"].items():
        is_number = isinstance(default, float)
        is_pair = isinstance(default, list) and default and isinstance(default[-1], float)
        for value in VALUES if is_number or is_pair else ():
            changed = value if is_number else [*default[:-1], value]
            node = {**config["optim"], key: changed}
            ours = bool(problems({**config, "optim": node}))
            if _torch_refuses(node):
                assert ours, (key, changed)
            elif (name, key) not in STRICTER:
                assert not ours, (key, changed)
            tried += 1
    assert tried >= 5


def test_names_are_lightning_s() -> None:
    registered = set(StrategyRegistry.available_strategies())
    assert registered <= set(STRATEGIES)
    assert set(STRATEGIES) - registered == {"auto"}
    accelerators = set(RULES["trainer"]["accelerator"].choices)
    assert accelerators == set(AcceleratorRegistry.available_accelerators()) | {"auto", "gpu"}


# What a criterion takes, against the table that the loss itself uses.


@pytest.mark.parametrize("name", SPECS)
def test_a_known_criterion_has_one_spec(name: Any) -> None:
    package, _, kind = name.rpartition(".")
    criterion = getattr({"torch.nn": torch.nn, "abreast.losses": abreast.losses}[package], kind)
    assert spec_of(name) == SPECS[name]
    assert spec_of(f"{criterion.__module__}.{kind}") == SPECS[name]
    assert settings.spec_of(criterion()) == SPECS[name]


def test_every_criterion_of_ours_has_a_spec() -> None:
    criteria = {
        f"abreast.losses.{name}"
        for name, value in vars(abreast.losses).items()
        if isinstance(value, type) and issubclass(value, torch.nn.Module) and value is not abreast.losses.Loss
    }
    assert len(criteria) > 8
    assert criteria == {name for name in SPECS if name.startswith("abreast.")}
    assert spec_of("torch.nn.TripletMarginLoss") is None


# Annotations

FITS = [
    ("int", [1, -1], [1.0, True, "1", None, [1]]),
    ("float", [1, 1.5], [True, "1", None, [1.0]]),
    ("bool", [True], [1, "true", None]),
    ("str", ["x"], [1, None]),
    ("Optional[int]", [1, None], ["1"]),
    ("int | None", [1, None], [1.5]),
    ("Union[int, str]", [1, "x"], [1.5, None]),
    ("'int'", [1], ["x"]),
    ("list[int]", [[], [1]], [1, ["x"], [1.5]]),
    ("Sequence[int] | int", [[1], 1], ["x", [1.5]]),
    ("tuple[float, float]", [[1, 2.5]], [[1], [1, 2, 3], ["x", 1], 1]),
    ("tuple[int, ...]", [[], [1, 2]], [["x"]]),
    ("Tuple[float, float] | None", [None, [1, 2]], [[1]]),
    ("Literal['a', 'b']", ["a"], ["c", 1, None]),
    ("Literal[32, '32-true'] | None", [32, "32-true", None], [16, True]),
    ("str | Path", ["x"], [1]),
    ("dict[str, int]", [{"a": 1}], [1, []]),
    ("Tensor | None", [None, [1, 2.5], [[1]]], ["x", ["x"], 1]),
    ("float | Tensor", [1.0], [[1.0], "x"]),
    ("SomethingElse", [1, "x", None], []),
    ("int | SomethingElse", [1, "x"], []),
    ("Annotated[int, 'x']", [1], ["x"]),
    ("typing.Optional[int]", [1, None], ["x"]),
]


@pytest.mark.parametrize(("text", "good", "bad"), FITS, ids=[text for text, _, _ in FITS])
def test_values_and_annotations(text: Any, good: Any, bad: Any) -> None:
    kinds = read(ast.parse(text, mode="eval").body)
    assert [misfit("key", value, kinds) for value in good] == [None] * len(good)
    messages = [misfit("key", value, kinds) for value in bad]
    assert all(message is not None and message.startswith("key") for message in messages), messages


@pytest.mark.parametrize(
    ("annotation", "fits"),
    [
        ("int", False),
        ("Optional[float]", False),
        ("Literal['a', 'b']", False),
        ("Sequence[int]", False),
        ("tuple[float, float]", False),
        ("float | Tensor", True),
        ("nn.Module", True),
        ("Sequence[nn.Module]", True),
        ("list", True),
        ("Mapping[str, int]", True),
    ],
)
def test_an_object_is_built_where_one_may_be(annotation: str, fits: bool) -> None:
    kinds = read(ast.parse(annotation, mode="eval").body)
    message = misfit("key", {"_target_": "torch.device"}, kinds)
    assert (message is None) == fits
    assert message is None or "an object (torch.device) is not" in message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Optional[float]", "a number (float) or null"),
        ("Union[list[int], str, int]", "a list of whole numbers or text (str) or a whole number (int)"),
        ("tuple[float, float]", "a list of 2 numbers"),
        ("Optional[Tensor]", "a list of numbers or null"),
        ("float | Tensor", "a number (float)"),
        ("Literal['a', 'b']", "one of a, b"),
    ],
)
def test_annotations_in_words(text: str, words: str) -> None:
    assert describe(read(ast.parse(text, mode="eval").body)) == words


# Packages that are not there, and a user's own functions


@pytest.mark.parametrize(
    ("line", "package", "what", "extra"),
    [
        ("optim=schedule_free", "schedulefree", "optim: schedulefree", "schedule_free"),
        ("optim=lion", "pytorch_optimizer", "optim: pytorch_optimizer", "optimizers"),
        ("optim=any", "pytorch_optimizer", "optim: pytorch_optimizer", "optimizers"),
        ("logger=wandb", "wandb", "logger.wandb: wandb", "wandb"),
        ("logger=mlflow", "mlflow", "logger.mlflow: mlflow", "mlflow"),
    ],
)
def test_a_package_that_is_not_installed(
    monkeypatch: pytest.MonkeyPatch, line: str, package: str, what: str, extra: str
) -> None:
    for module in ("static.definitions", "validation.components"):
        monkeypatch.setattr(f"abreast.{module}.is_installed", lambda name: name != package)
    monkeypatch.setattr(signatures, "resolve", signatures.resolve.__wrapped__)
    monkeypatch.setattr("abreast.validation.components.resolve", signatures.resolve)
    assert definitions.is_installed("torch")  # type: ignore[attr-defined]
    assert problems(compose(line)) == [f"{what} is not installed: pip install 'abreast[{extra}]'"]


@pytest.fixture
def own_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    text = (
        "import torch\ndef source(path: str, rows: int = 3): ...\n"
        "class Net(torch.nn.Module):\n"
        "    def __init__(self, in_features, out_features, *, width: int = 8, **more): ...\n"
    )
    (tmp_path / "own_parts.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    assert "own_parts" not in sys.modules


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"path": "x"}, []),
        ({"path": "x", "rows": 0}, []),  # its own business
        ({"rows": 3}, ["data.path: is missing; own_parts.source needs it"]),
        ({"path": "x", "rows": "many"}, ["data.rows: 'many' is not a whole number (int)"]),
        ({"path": "x", "batch_size": 0}, ["data.batch_size: must be at least 1, got 0"]),
        (
            {"path": "x", "row": 3},
            [
                "data.row: no such key. own_parts.source takes: path, rows, task, batch_size, "
                "eval_batch_size, val_fraction, split_seed, folds, fold, "
                "label_noise, augment, scale_targets, shuffle, normalize, pca. Did you mean data.rows?"
            ],
        ),
    ],
)
def test_a_source_of_ones_own(own_module: Any, data: dict[str, Any], expected: list[str]) -> None:
    loader = {"task": "classification", "batch_size": 32, "val_fraction": 0.1}
    config = {**compose(), "data": {"_target_": "own_parts.source", **loader, **data}}
    assert problems(config) == expected


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ({}, []),
        ({"width": 4, "depth": 3}, []),
        ({"in_features": 7}, []),
        ({"width": "wide"}, ["model.width: 'wide' is not a whole number (int)"]),
    ],
)
def test_a_network_of_ones_own(own_module: Any, model: dict[str, Any], expected: list[str]) -> None:
    assert problems({**compose(), "model": {"_target_": "own_parts.Net", **model}}) == expected


BOUNDS = [
    ("Annotated[int, Ge(1)]", [1, 5], 0, "must be at least 1, got 0"),
    ("Annotated[float, Gt(0), Le(1)]", [0.5, 1], 0.0, "must be in (0, 1], got 0.0"),
    ("Annotated[int, Ge(0), Lt(2**32)]", [0, 2**32 - 1], 2**32, "must be in [0, 2**32), got 4294967296"),
    ("Annotated[float, Ge(-1)]", [-1, 3], -1.5, "must be at least -1, got -1.5"),
    ("Annotated[float, Lt(1)] | None", [None, 0], 1, "must be below 1, got 1"),
    ("annotated_types.Annotated[int, annotated_types.Le(3)]", [3], 4, "must be at most 3, got 4"),
    ("Annotated[int, Ge(1)] | Sequence[str]", [1, ["a"]], 0, "must be at least 1, got 0"),
]


@pytest.mark.parametrize(("text", "good", "bad", "message"), BOUNDS, ids=[row[0] for row in BOUNDS])
def test_bounds_of_annotations(text: Any, good: Any, bad: Any, message: Any) -> None:
    kinds = read(ast.parse(text, mode="eval").body)
    for value in good:
        assert misfit("key", value, kinds) is None
        assert list(out_of_bounds("key", value, kinds)) == []
    assert misfit("key", bad, kinds) is None  # of the right type
    assert list(out_of_bounds("key", bad, kinds)) == [f"key: {message}"]


def test_bounds_of_elements_name_the_element() -> None:
    kinds = read(ast.parse("Sequence[Annotated[int, Ge(1)]]", mode="eval").body)
    assert list(out_of_bounds("key", [1, 0, -1], kinds)) == [
        "key[1]: must be at least 1, got 0",
        "key[2]: must be at least 1, got -1",
    ]


def test_bounds_behind_a_name_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_bounds.py").write_text(
        "from typing import Annotated\nfrom annotated_types import Ge\nShare = Annotated[float, Ge(0)]\n"
        "from torch.nn import Module\nclass Net(Module):\n"
        "    def __init__(self, in_features, out_features, *, share: Share = 0.5): ...\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    model = {"_target_": "own_bounds.Net", "share": -1}
    assert problems({**compose(), "model": model}) == ["model.share: must be at least 0, got -1"]
