"""Networks and data given as objects: trained, stacked, resumed, and refused where they are others."""

from __future__ import annotations

import functools
import signal
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from lightning.pytorch import LightningDataModule, LightningModule
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

import abreast
from abreast.api.arrays import data_name, named_arrays
from abreast.api.source_digest import network_name
from abreast.data.arrays import source_of_arrays
from abreast.errors import AbreastError, ConfigError, DataError, RunError, StoppedError
from api.conftest import SHORT

FAST = (*SHORT, "optim.lr=0.03")
WIDTH = 6


def examples(rows: int = 200) -> tuple[Tensor, Tensor]:
    inputs = torch.randn(rows, 5, generator=torch.Generator().manual_seed(0))
    return inputs, (inputs[:, 0] > 0).long() + (inputs[:, 1] > 1).long()


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + torch.relu(self.linear(x))


class Net(nn.Module):
    def __init__(self, out_features: int, width: int = WIDTH) -> None:
        super().__init__()
        self.first, self.block, self.last = nn.Linear(5, width), Block(width), nn.Linear(width, out_features)

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.last(self.block(torch.relu(self.first(x))))
        return scores


class Lit(LightningModule):
    """With a training of its own, which is not called."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.net = nn.Linear(in_features, out_features)

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.net(x)
        return scores

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        raise AssertionError

    def configure_optimizers(self) -> Any:
        raise AssertionError


class Module(LightningDataModule):
    def setup(self, stage: str) -> None:
        inputs, targets = examples()
        self.parts = [TensorDataset(inputs[a:b], targets[a:b]) for a, b in ((0, 90), (90, 130), (130, 200))]

    def train_dataloader(self) -> DataLoader[Any]:
        return DataLoader(self.parts[0], batch_size=7, shuffle=True)

    def val_dataloader(self) -> list[DataLoader[Any]]:
        return [DataLoader(self.parts[1])]

    def test_dataloader(self) -> DataLoader[Any]:
        return DataLoader(self.parts[2])


class Folder(Module):
    def __init__(self, folder: str) -> None:
        super().__init__()
        self.folder = folder


def test_the_class_of_a_data_module_is_enough_where_it_needs_no_arguments() -> None:
    assert data_name(named_arrays(Module)) == data_name(named_arrays(Module()))
    with pytest.raises(ConfigError, match=r"data: .*'folder'; give an object: data=Folder\(\.\.\.\)"):
        named_arrays(Folder)


def closed() -> nn.Module:
    net = nn.Linear(5, 3)
    forward = net.forward
    vars(net)["forward"] = lambda x: forward(2 * x)
    return net


def sequential() -> nn.Module:
    return nn.Sequential(nn.Linear(5, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 3))


NETWORKS: dict[str, tuple[Any, str]] = {
    "class": (Net, "vmap"),
    "function": (sequential, "batched"),
    "lambda": (lambda: sequential(), "batched"),
    "partial": (functools.partial(Net, width=4), "vmap"),
    "network": (sequential(), "batched"),
    "lightning": (Lit, "vmap"),
}

OFTEN = ("class", "network")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in OFTEN else pytest.mark.long) for name in NETWORKS]
)
def test_a_network_is_stacked_and_each_lane_is_its_individual_run(name: str, tmp_path: Path) -> None:
    network, kernels = NETWORKS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sweep = abreast.sweep(
            *FAST, model=network, data=examples(), loss=["mse", "hinge"], dir=tmp_path / "sweep"
        )
        run = abreast.train(*FAST, model=network, data=examples(), loss="hinge", dir=tmp_path / "run")
    assert [run.result["execution"]["kernels"] for run in sweep.runs] == [kernels] * 2
    lane = next(lane for lane in sweep.runs if "hinge" in lane.directory.name)
    weights = run.module.state_dict()
    for key, value in lane.module.state_dict().items():
        assert torch.allclose(value, weights[key], rtol=1e-5, atol=1e-7), key
        assert kernels == "vmap" or torch.equal(value, weights[key]), key
    assert run.evaluate()["test/loss"] == run.scores["test/loss"]
    assert run.config["model"]["network"] == network_name(network)
    assert len(run.predict(examples()[0][:3])) == 3


def test_a_class_draws_its_weights_by_the_seed_and_a_network_keeps_them(tmp_path: Path) -> None:
    kept = sequential()
    given = [value.clone() for value in kept.state_dict().values()]
    untrained: dict[str, Any] = {"optim": "sgd", "optim.lr": 0, "trainer.limit_train_batches": 1}
    arguments = {"data": examples(), "seed": range(2), **untrained}
    drawn = abreast.sweep(*SHORT, model=sequential, **arguments, dir=tmp_path / "drawn")
    with pytest.warns(UserWarning, match="every run of the sweep starts from the weights"):
        same = abreast.sweep(*SHORT, model=kept, **arguments, dir=tmp_path / "same")
    for sweep, is_drawn in ((drawn, True), (same, False)):
        first, second = (next(iter(run.module.net.state_dict().values())) for run in sweep.runs)
        assert torch.equal(first, second) != is_drawn
        assert torch.equal(first, given[0]) != is_drawn
    assert all(map(torch.equal, kept.state_dict().values(), given))


def test_other_objects_are_refused_in_one_line(tmp_path: Path) -> None:
    inputs, targets = examples()
    run = abreast.train(*FAST, model=Net, data=(inputs, targets), dir=tmp_path / "run")
    again = abreast.load(run.directory, model=Net, data=(inputs.numpy(), targets.tolist()))
    assert again.evaluate() == run.evaluate()
    changed = inputs.clone()
    changed[3, 2] += 1
    for command, message in (
        (lambda: abreast.load(run.directory, model=sequential), "model: the run was made with Net-"),
        (
            lambda: abreast.load(run.directory, data=(changed, targets)),
            "data: the run was made with arrays-200x5-",
        ),
        (lambda: abreast.load(run.directory).module, r"abreast.load\(RUN, model=...\)"),
        (lambda: abreast.load(run.directory, model=Net).evaluate(), r"abreast.load\(RUN, data=...\)"),
        (lambda: abreast.resume(run.directory, model=sequential), "model: the run was made with Net-"),
        (lambda: abreast.resume(run.directory, trainer={"max_epochs": 3}), "was given in Python"),
    ):
        with pytest.raises(RunError, match=message) as caught:
            command()
        assert "\n" not in str(caught.value)
    longer = abreast.resume(run.directory, model=Net, data=(inputs, targets), trainer={"max_epochs": 3})
    assert len(longer.metrics) == 3
    plain = abreast.train(*SHORT, dir=tmp_path / "plain")
    with pytest.raises(RunError, match="model: the run was made without an object given in Python"):
        abreast.load(plain.directory, model=Net)


def test_an_interrupted_run_resumes_with_its_objects(tmp_path: Path) -> None:
    signals = f"+callbacks.signals={{_target_:api.test_host.Signals,number:{int(signal.SIGINT)}}}"
    arguments: dict[str, Any] = {"model": sequential, "data": examples()}
    with pytest.raises(KeyboardInterrupt):
        abreast.train(*FAST, signals, **arguments, dir=tmp_path / "run")
    resumed = abreast.resume(tmp_path / "run", **arguments, trust=["api"])
    assert resumed.scores == abreast.train(*FAST, signals, **arguments, dir=tmp_path / "whole").scores


class Squares(Dataset[Any]):
    def __len__(self) -> int:
        return 30

    def __getitem__(self, index: int) -> tuple[Tensor, float]:
        if index >= 30:
            raise IndexError
        return torch.tensor([float(index), 1.0]), float(index**2)


def test_every_kind_of_data_is_the_same_arrays() -> None:
    inputs, targets = examples()
    arrays, labels = inputs.numpy(), targets.numpy()
    kinds: list[Any] = [
        (inputs, targets),
        [arrays, labels],
        (pd.DataFrame(arrays), pd.Series(labels)),
        TensorDataset(inputs, targets),
        DataLoader(TensorDataset(inputs, targets), batch_size=3, shuffle=True),
    ]
    names = {data_name(named_arrays(kind)) for kind in kinds}
    assert len(names) == 1
    parts = named_arrays(Module())
    expected = {"train": (arrays[:90], labels[:90]), "val": (arrays[90:130], labels[90:130])}
    expected["test"] = (arrays[130:], labels[130:])
    assert data_name(parts) == data_name(named_arrays(expected))
    texts = named_arrays((arrays, pd.Series(np.where(labels > 0, "cat", "dog"))))
    assert source_of_arrays("data", texts, 0.2, "classification").classes == ("cat", "dog")
    assert named_arrays(Squares())["y"].tolist()[:3] == [0, 1, 4]


def test_a_data_modules_own_validation_examples_are_validated_on(tmp_path: Path) -> None:
    run = abreast.train(*FAST, model=sequential, data=Module(), dir=tmp_path / "run")
    assert run.result["examples"] == {"train": 90, "val": 40, "test": 70}
    inputs, targets = examples()
    with torch.inference_mode():
        hits = (run.module(inputs[90:130]).argmax(1) == targets[90:130]).float().mean()
    assert run.scores["val/accuracy"] == pytest.approx(float(hits))


def test_float_targets_are_a_regression(tmp_path: Path) -> None:
    inputs, _ = examples()
    run = abreast.train(
        *FAST, model=lambda: nn.Linear(5, 1), data=(inputs, inputs[:, 2]), loss="mse", dir=tmp_path / "run"
    )
    assert run.config["data"]["task"] == "regression"
    assert run.predict(inputs[:2]).shape == (2, 1)


def test_networks_are_swept_over(tmp_path: Path) -> None:
    sweep = abreast.sweep(*FAST, model=[Net, sequential], data=examples(), dir=tmp_path / "sweep")
    assert {run.config["model"]["network"].partition("-")[0] for run in sweep.runs} == {"Net", "sequential"}
    assert [run.status for run in sweep.runs] == ["finished"] * 2


@pytest.mark.long
def test_data_and_arguments_are_swept_over(tmp_path: Path) -> None:
    inputs, targets = examples()
    widths = {"model.arguments": [{"width": 3}, {"width": 4}]}
    data = [(inputs, targets), (-inputs, targets)]
    sweep = abreast.sweep(*FAST, model=Net, data=data, **widths, dir=tmp_path / "sweep")
    networks: list[Any] = [run.module.net for run in sweep.runs]
    assert sorted(network.first.out_features for network in networks) == [3, 3, 4, 4]
    assert len({run.config["data"]["arrays"] for run in sweep.runs}) == 2


def locked() -> Any:
    guard = threading.Lock()

    def network(in_features: int, out_features: int) -> nn.Module:
        with guard:
            return nn.Linear(in_features, out_features)

    return network


@pytest.mark.parametrize(
    ("model", "launcher", "message"),
    [
        (locked(), "hydra.launcher.engine=joblib", "network-.* cannot be handed to another process"),
        (locked(), "hydra.launcher.devices=[cpu,cpu]", "network-.* cannot be handed to another process"),
        (Net, "hydra/launcher=joblib", "JoblibLauncher does not hand a network or data given in Python"),
        (Net, "hydra/launcher=submitit_local", "LocalLauncher does not hand a network or data"),
    ],
)
def test_what_does_not_reach_other_processes_is_said_first(
    model: Any, launcher: str, message: str, tmp_path: Path
) -> None:
    folder = tmp_path / "sweep"
    with pytest.raises(ConfigError, match=message) as caught:
        abreast.sweep(*FAST, launcher, model=model, data=examples(), seed=range(2), dir=folder)
    assert len(str(caught.value).splitlines()) == 1
    assert not folder.exists()


@pytest.mark.long
@pytest.mark.parametrize("launcher", ["engine=joblib", "engine=submitit", "devices=[cpu,cpu]"])
def test_processes_of_an_engine_are_handed_the_objects(launcher: str, tmp_path: Path) -> None:
    engine = f"hydra.launcher.{launcher}"
    network, folder = (lambda: sequential()), tmp_path / "sweep"
    sweep = abreast.sweep(*FAST, engine, model=network, data=examples(), seed=range(4), dir=folder)
    assert [run.status for run in sweep.runs] == ["finished"] * 4
    assert all(run.result["execution"]["stacked"] for run in sweep.runs)


def variants() -> dict[str, Any]:
    def plain() -> nn.Module:
        return nn.Linear(5, 3)

    class Other(Net):
        pass

    def scaled(factor: float) -> Any:
        return lambda: nn.Linear(5, int(3 * factor))

    torch.manual_seed(0)
    return {
        "class": Net,
        "subclass": Other,
        "function": plain,
        "lambda": lambda: nn.Linear(5, 3),
        "set": lambda out_features=3: nn.Linear(5, 3) if out_features in {3, 4} else nn.Linear(5, 4),
        "another lambda": lambda: nn.Linear(5, 4),
        "closure": scaled(1.0),
        "another closure": scaled(2.0),
        "partial": functools.partial(Net, width=3),
        "another partial": functools.partial(Net, width=4),
        "network": nn.Linear(5, 3),
        "another network": nn.Linear(5, 3),
        "layer": nn.Sequential(nn.Linear(5, 3), nn.ReLU()),
        "slope": nn.Sequential(nn.Linear(5, 3), nn.LeakyReLU(0.2)),
    }


def test_digests_differ_where_networks_do_and_only_there(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {name: network_name(network) for name, network in variants().items()}
    assert len({*names.values()}) == len(names)
    again = {name: network_name(network) for name, network in variants().items()}
    assert again == names
    evaluated = variants()["layer"]
    assert network_name(evaluated.eval()) == names["layer"]
    monkeypatch.setitem(globals(), "block", 3)  # the name of an attribute of Net
    assert network_name(Net) == names["class"]
    monkeypatch.setattr(f"{__name__}.Block.forward", lambda self, x: x)  # which Net uses
    assert network_name(Net) != names["class"]
    monkeypatch.undo()
    before = network_name(sequential)
    monkeypatch.setattr(f"{__name__}.WIDTH", 7)
    assert network_name(sequential) != before


class Ragged(Dataset[Any]):
    def __len__(self) -> int:
        return 9

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return torch.zeros(index), 0


def test_sparse_and_masked_arrays_are_read_as_they_are_meant() -> None:
    inputs = torch.eye(4)
    assert named_arrays((inputs.to_sparse(), range(4)))["x"].tolist() == inputs.tolist()
    masked = named_arrays((np.ma.masked_equal(inputs.numpy(), 1), range(4)))["x"]
    assert np.isnan(masked).tolist() == inputs.bool().tolist()


WRONG: dict[str, tuple[dict[str, Any], type[AbreastError], str]] = {
    "no network": ({"model": dict}, ConfigError, "model: dict is not a torch.nn.Module"),
    "makes none": ({"model": lambda: 3}, ConfigError, "makes a int, not a torch.nn.Module"),
    "argument": ({"**": {"model.arguments": {"wdth": 3}}}, ConfigError, "unexpected keyword argument 'wdth'"),
    "argument of a network": (
        {"model": sequential(), "**": {"model.arguments": {"width": 3}}},
        ConfigError,
        "is made already; give its class for arguments",
    ),
    "closure": ({"model": closed()}, ConfigError, "of a network given as an object need its class instead"),
    "shape": ({"model": lambda: nn.Linear(4, 3)}, ConfigError, "cannot compute a batch of shape ["),
    "outputs": ({"model": lambda: nn.Linear(5, 2)}, ConfigError, "gives shape ["),
    "rows": ({"data": (np.zeros((4, 5)), [0, 1])}, DataError, "they need as many rows"),
    "no pair": ({"data": np.zeros((4, 5))}, ConfigError, "data: is a ndarray; give (X, y), a dictionary"),
    "parts": (
        {"data": {"train": examples(), "tset": examples()}},
        ConfigError,
        "allowed are train, val, test",
    ),
    "no test": ({"data": {"train": examples()}}, DataError, "data: has no test examples"),
    "objects": ({"data": (np.array([{}, {}]), [0, 1])}, DataError, "data: inputs: hold object"),
    "texts": (
        {"data": (pd.DataFrame({"a": [1, 2], "kind": ["u", "v"]}), [0, 1])},
        DataError,
        "data: inputs: the columns kind hold no numbers. data=table encodes categories",
    ),
    "texts of one name": (
        {"data": (pd.DataFrame([[1, "u"], [2, "v"]], columns=["x", "x"]), [0, 1])},
        DataError,
        "data: inputs: the columns x hold no numbers",
    ),
    "nan": ({"data": (np.full((40, 5, 2), np.nan), [0, 1] * 20)}, DataError, "are not finite"),
    "loss": ({"data": (examples()[0], examples()[0][:, 0])}, ConfigError, "but data.task=regression"),
    "exit": ({"model": lambda: sys.exit(3)}, StoppedError, "asked the process to end (exit code 3)"),
    "one hot": ({"data": (examples()[0], np.eye(2)[[0, 1] * 100])}, DataError, "are one-hot rows; give"),
    "masked": ({"data": (np.ma.masked_less(np.arange(9), 4), [0] * 9)}, DataError, "have masked values"),
    "sizes": ({"data": Ragged()}, DataError, "the data set cannot be read (RuntimeError: stack expects"),
    "devices": (
        {"trainer": {"devices": 2}},
        ConfigError,
        "trainer.devices: a network or data given in Python",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_trained_is_said_in_one_line(name: str) -> None:
    changes, kind, message = WRONG[name]
    given = {"model": Net, "data": examples(), **changes}
    with pytest.raises(kind) as caught:
        abreast.train(*SHORT, **given.pop("**", {}), **given)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_error_in_a_networks_forward_shows_where(tmp_path: Path) -> None:
    class Broken(Net):
        def forward(self, x: Tensor) -> Tensor:
            raise KeyError("a mistake of the network's")

    with pytest.raises(ConfigError, match="a mistake of the network's") as caught:
        abreast.train(*SHORT, model=Broken, data=examples(), dir=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    assert isinstance(caught.value.__cause__, KeyError)
    assert caught.value.__cause__.__traceback__ is not None
