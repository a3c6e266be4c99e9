"""The jobs of a sweep, composed the quick way, are Hydra's own to the last node."""

from __future__ import annotations

import itertools
import json
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

from abreast.cli.sweep_directory import set_directory
from abreast.config.run_config import task_part
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
    task = task_part(config)
    return OmegaConf.to_container(config, resolve=False), OmegaConf.to_container(task, resolve=True)


def check(hydra: ConfigLoader, loader: SweepLoader, config: DictConfig, *overrides: str) -> None:
    found, expected = (_composed(each, config, *overrides) for each in (loader, hydra))
    if isinstance(expected, str) or isinstance(found, str):
        assert found == expected
        return
    assert everything(found) == everything(expected)
    _compare_plain(loader, config, everything(expected), *overrides)
    for flag in ("struct", "readonly"):
        for node in ("hydra", "hydra.job", "optim", "model"):
            flags = [OmegaConf.select(each, node)._get_flag(flag) for each in (found, expected)]
            assert flags[0] == flags[1]
        assert found._get_flag(flag) == expected._get_flag(flag)


def check_plain(hydra: ConfigLoader, loader: SweepLoader, config: DictConfig, *overrides: str) -> bool:
    """Compare the job as plain data with Hydra's, texts and order too; False where it is left to Hydra."""
    expected = hydra.load_sweep_config(config, list(overrides))
    return _compare_plain(loader, config, everything(expected), *overrides)


def _compare_plain(
    loader: SweepLoader, config: DictConfig, expected: tuple[Any, Any], *overrides: str
) -> bool:
    job = loader.plain_job(config, list(overrides))
    if job is None:
        return False
    written, resolved = expected
    of_hydra = written.pop("hydra")
    assert json.dumps(job.written) == json.dumps(written)
    assert json.dumps(job.task) == json.dumps(resolved)
    for part in ("sweep", "overrides", "runtime", "job"):
        for name, value in of_hydra[part].items():
            if (part, name) not in OF_JOB:
                assert job.hydra[part][name] == value, f"{part}.{name}"
    return True


# What the launcher writes itself, for each job.
OF_JOB = (("overrides", "task"), ("job", "override_dirname"))


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


PLAIN = [  # and so without Hydra for each job
    ["schedule=one_cycle", "optim=adam", "optim.lr=0.02", "schedule.scheduler.pct_start=0.2"],
    ["schedule=one_cycle", "optim.lr=1e-3"],
    ["data=wine", "seed=1"],
    ["data=breast_cancer", "loss=mse", "optim=sgd", "optim.lr=0.1"],
    ["data=breast_cancer", "loss=hinge", "optim=adam", "hydra.sweep.subdir=tune/${hydra:job.num}"],
    ["hydra.sweep.subdir='a b/${hydra:job.num}'", "seed=3"],
    ["monitor=val/loss", "optim.lr='0.10'", "data.val_fraction=.5", "model.hidden=[8, 4]", "checkpoint=null"],
]
OF_HYDRA = [
    ["optim.lr=???"],
    ["optim.lr=${data.val_fraction}"],
    ["schedule=one_cycle", "schedule.scheduler.max_lr=3"],
    ["hydra.sweep.subdir=${now:%Y}", "hydra.job.name=x"],
    ["data={name: wine}"],
]


def test_what_is_composed_as_plain_data(hydra: ConfigLoader) -> None:
    """Values, lists, interpolations, options of several groups, and where a study keeps its runs."""
    config = master(hydra)
    loader = SweepLoader(hydra)
    for job in [*PLAIN, *reversed(PLAIN)]:
        assert check_plain(hydra, loader, config, *job), job
    for job in OF_HYDRA:
        assert loader.plain_job(config, job) is None or check_plain(hydra, loader, config, *job), job
    assert not check_plain(hydra, loader, config, *OF_HYDRA[0])


def test_interpolations_follow_the_values_of_each_job(hydra: ConfigLoader) -> None:
    """Also through others, within lists, from a group's own part and from elsewhere; `hydra:` is Hydra's."""
    added = [
        "+data.own=${.batch_size}",
        "+data.chain=${.other}",
        "+data.other=${optim.lr}",
        "+data.list=[1,'${...seed}','${seed}']",
        "+optim.text='a ${.lr} and ${seed}'",
        "+model.selected='${oc.select:data.batch_size,7}'",
    ]
    config = master(hydra)
    loader = SweepLoader(hydra)
    for lr, size, seed in itertools.product((0.1, 1e-3), (16, 64), (0, 5)):
        values = [f"optim.lr={lr}", f"data.batch_size={size}", f"seed={seed}"]
        assert check_plain(hydra, loader, config, *added, *values)
    assert check_plain(hydra, loader, config, *added)
    for text in ("${hydra:job.num}", "${now:%Y}", "${optim}"):
        assert loader.plain_job(config, [f"+data.other='{text}'", "seed=1"]) is None


def test_what_was_composed_before_the_directory_was_chosen_is_used(hydra: ConfigLoader) -> None:
    counted: Any = Counted(hydra)
    config = master(hydra)
    loader = SweepLoader(counted)
    jobs = [
        [f"loss={loss}", f"data={data}", "seed=1"] for loss in ("mse", "hinge") for data in ("wine", "digits")
    ]
    for job in jobs:
        assert loader.plain_job(config, job) is not None
    composed = len(counted.jobs)
    set_directory(config, "a directory")
    for job in jobs:
        assert check_plain(hydra, loader, config, *job)
        assert check_plain(hydra, loader, config, *job, "hydra.sweep.subdir=x_${hydra:job.num}")
    assert len(counted.jobs) == composed == 3


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
