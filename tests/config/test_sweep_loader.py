"""The jobs of a sweep, composed the quick way, are Hydra's own to the last node."""

from __future__ import annotations

import itertools
import pickle
import random
from collections.abc import Iterator
from typing import Any

import pytest
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.utils import setup_globals
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from abreast.config.sweep_loader import SweepLoader
from support.helpers import CONF, options


class Counted:
    """Hydra's loader; `jobs` holds the overrides that it was asked to compose."""

    def __init__(self, loader: ConfigLoader) -> None:
        self.loader = loader
        self.jobs: list[list[str]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loader, name)

    def load_sweep_config(self, master: DictConfig, overrides: list[str]) -> DictConfig:
        self.jobs.append(overrides)
        return self.loader.load_sweep_config(master, overrides)


@pytest.fixture
def hydra() -> Iterator[ConfigLoader]:
    setup_globals()
    GlobalHydra.instance().clear()
    yield Hydra.create_main_hydra2("train", create_config_search_path(str(CONF))).config_loader
    GlobalHydra.instance().clear()


def master(hydra: ConfigLoader, *overrides: str) -> DictConfig:
    return hydra.load_configuration("train", list(overrides), RunMode.MULTIRUN)


def everything(config: DictConfig) -> tuple[Any, Any]:
    """All values as they are written, and the run's as they resolve."""
    task = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    return OmegaConf.to_container(config, resolve=False), OmegaConf.to_container(task, resolve=True)


def check(hydra: ConfigLoader, loader: SweepLoader, config: DictConfig, *overrides: str) -> None:
    found, expected = (_composed(each, config, *overrides) for each in (loader, hydra))
    if isinstance(expected, str) or isinstance(found, str):
        assert found == expected
        return
    assert everything(found) == everything(expected)
    for flag in ("struct", "readonly"):
        for node in ("hydra", "hydra.job", "optim", "model"):
            flags = [OmegaConf.select(each, node)._get_flag(flag) for each in (found, expected)]
            assert flags[0] == flags[1]
        assert found._get_flag(flag) == expected._get_flag(flag)


def _composed(loader: Any, config: DictConfig, *overrides: str) -> DictConfig | str:
    """The job, or what is said of why there is none."""
    try:
        return loader.load_sweep_config(config, list(overrides))
    except Exception as error:
        return f"{type(error)}: {error}"


JOBS = [
    [],
    ["seed=3"],
    ["seed=3", "seed=4"],
    ["seed=3", "seed=4", "seed=3"],
    ["optim.lr=0.1", "optim=sgd", "seed=1"],
    ["loss=mse", "optim=adam", "optim.lr=1e-3", "model.hidden=[3,4]"],
    ["model.hidden=[]"],
    ["model.hidden=[3", "seed=1"],
    ["model.norm=batch", "+optim.foreach=true", "optim.lr=0.1"],
    ["+optim.foreach=true", "optim.foreach=false"],
    ["optim.lr=0.5", "~optim.lr"],
    ["~optim.lr", "seed=2"],
    ["~optim.lr", "optim.lr=0.5"],
    ["++optim.lr=3", "optim.lr=4"],
    ["optim.lr=4", "++optim.lr=3"],
    ["optim={lr:3}", "seed=1"],
    ["optim={lr:3}", "optim.lr=4"],
    ["schedule=cosine", "data=random", "data.size=100"],
    ["optim=misspelled"],
    ["optim.misspelled=1"],
    ["misspelled=1"],
    ["seed=1,2"],
    ["seed=choice(1,2)"],
    ["seed"],
    ["seed=${data.batch_size}"],
    ["optim.lr='a string with, = and spaces'"],
    ["optim.lr=null", "monitor=val/loss"],
    ["hydra.job.name=x", "seed=1"],
    ["hydra.launcher.max_lanes=3"],
    ["hydra/launcher=basic"],
    ["model.hidden[0]=5"],
    ["data.batch_size=7", "+new.key=1", "+new.other=2"],
    ["sweep.on_fail=stop", "names.loss=x"],
]


@pytest.mark.parametrize(
    ("first", "every"),
    [((), 1), (("optim=sgd", "hydra.job.chdir=true"), 2), (("hydra.searchpath=[file:///tmp]",), 8)],
    ids=["defaults", "another optimizer", "a search path, which leaves all to Hydra"],
)
def test_every_kind_of_override(hydra: ConfigLoader, first: tuple[str, ...], every: int) -> None:
    """Every job of the defaults; another choice of the sweep changes what jobs start from: fewer of them."""
    config = master(hydra, *first)
    loader = SweepLoader(hydra)
    for job in JOBS[::every]:
        check(hydra, loader, config, *first[:1], *job)


def test_any_mixture_in_any_order(hydra: ConfigLoader) -> None:
    draw = random.Random(0)
    every = list(itertools.chain.from_iterable(JOBS)) + [f"loss={name}" for name in options("loss")]
    config = master(hydra)
    loader = SweepLoader(hydra)
    for _ in range(40):
        check(hydra, loader, config, *draw.sample(every, draw.randint(1, 5)))


def test_hydra_composes_what_is_common_once(hydra: ConfigLoader) -> None:
    counted: Any = Counted(hydra)
    config = master(hydra)
    loader = SweepLoader(counted)
    for loss, lr, seed in itertools.product(("mse", "hinge"), (0.1, 0.2), range(5)):
        loader.load_sweep_config(config, [f"loss={loss}", f"optim.lr={lr}", f"seed={seed}"])
    assert counted.jobs == [["loss=mse"], ["loss=hinge"]]


def test_options_of_several_groups_are_combined(hydra: ConfigLoader) -> None:
    """Hydra composes the first combination and each other option once; the jobs are Hydra's own."""
    groups = {
        "loss": ["mse", "hinge", "class_balanced"],
        "optim": ["sgd", "adam", "sam"],
        "data": ["digits", "random", "wine"],
        "schedule": ["constant", "cosine"],
    }
    groups = {group: [name for name in names if name in options(group)] for group, names in groups.items()}
    counted: Any = Counted(hydra)
    config = master(hydra)
    loader = SweepLoader(counted)
    combinations = list(itertools.product(*groups.values()))
    for number, names in enumerate(combinations):
        job = [*(f"{group}={name}" for group, name in zip(groups, names, strict=True)), "seed=3"]
        if number % 5 == 0:
            check(hydra, loader, config, *job)
        else:
            loader.load_sweep_config(config, job)
    assert len(combinations) >= 24
    assert len(counted.jobs) == 1 + sum(len(names) - 1 for names in groups.values())


def test_options_that_change_other_parts_are_left_to_hydra(hydra: ConfigLoader) -> None:
    config = master(hydra)
    loader = SweepLoader(hydra)
    experiments = options("experiment")[:3]
    for experiment, loss in itertools.product(experiments, ("mse", "hinge")):
        check(hydra, loader, config, f"+experiment={experiment}", f"loss={loss}", "seed=1")
        check(hydra, loader, config, f"experiment={experiment}", f"loss={loss}", "optim=sgd")


def test_a_job_is_its_own(hydra: ConfigLoader) -> None:
    config = master(hydra)
    loader = SweepLoader(hydra)
    one = loader.load_sweep_config(config, ["seed=1"])
    one.hydra.job.name = "changed"
    one.optim.lr = 77
    check(hydra, loader, config, "seed=2")


def test_another_directory_of_the_sweep_is_taken(hydra: ConfigLoader) -> None:
    loader = SweepLoader(hydra)
    for folder in ("a", "b"):
        check(hydra, loader, master(hydra, f"hydra.sweep.dir={folder}"), "seed=1")


def test_no_more_is_kept_than_that(hydra: ConfigLoader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("abreast.config.sweep_loader.MOST_KEPT", 2)
    loader = SweepLoader(hydra)
    config = master(hydra)
    for name in ("mse", "hinge", "cross_entropy", "mse"):
        check(hydra, loader, config, f"loss={name}", "seed=1")
        assert len(loader._kept) <= 2


def test_it_can_be_handed_to_another_process(hydra: ConfigLoader) -> None:
    loader = SweepLoader(hydra)
    config = master(hydra)
    loader.load_sweep_config(config, ["seed=1"])
    other = pickle.loads(pickle.dumps(loader))
    assert everything(other.load_sweep_config(config, ["seed=1"])) == everything(
        hydra.load_sweep_config(config, ["seed=1"])
    )
