"""Optimizers that step the lanes of a stack: each its lane, or one for all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import pytorch_optimizer

from abreast.build.components import optimizer_node
from abreast.build.instantiate import make
from abreast.learner.checkpoint import load
from abreast.optim.by_name import REFUSED
from abreast.runs.directory import RunDirectory
from abreast.stacking.build import Job
from abreast.stacking.grouping import INDIVIDUAL, why_individual
from abreast.stacking.optimizers import groups as optimizers
from abreast.stacking.optimizers.eligibility import why_not_shared
from abreast.stacking.run import train_stack
from support.helpers import allowed, compose, option, options, same
from support.optimizers import ALONE
from support.stacks import Both, Check, Configs

NODES = {name: option("optim", name) for name in options("optim")}
DRAWING = ("dash", "gravity", "kron", "spam")  # random numbers, and so they are trained individually
DECLARED = [name for name, node in NODES.items() if node.get("elementwise")]


@pytest.mark.long
def test_every_optimizer_by_name_in_one_stack(configs: Configs, both: Both) -> None:
    alone = {"adahessian", "lbfgs", "sophiah", *DRAWING}
    names = [name for name in pytorch_optimizer.get_supported_optimizers() if name not in {*alone, *REFUSED}]
    lanes = [(f"optim.name={name}", f"seed={seed}") for name in names for seed in range(2)]
    different = set()
    for lane, plain in both(configs(("optim=any", "trainer.max_epochs=2"), *lanes)):
        weights = [dict(load(path / "checkpoints" / "last.ckpt")["state_dict"]) for path in (lane, plain)]
        if not same(*weights):
            different.add(RunDirectory(lane).read_config()["optim"]["name"])
    assert not different


@pytest.mark.parametrize("name", DECLARED)
def test_files_that_say_elementwise_are_right(name: str) -> None:
    with allowed():
        factory = make("optim", optimizer_node(compose(f"optim={name}"), 20))
    assert why_not_shared(factory) is None


def test_optimizers_of_torch_that_are_shared_are_elementwise() -> None:
    for kind in optimizers.ELEMENTWISE:
        assert why_not_shared(kind) is None, kind


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("lamb", "its step of several runs at once differs from theirs"),
        ("prodigy", "its step of several runs at once differs from theirs"),
        ("soap", "its step of several runs at once differs from theirs"),
        ("cautious_lion", "its step of several runs at once differs from theirs"),
        ("muon", "it has several parameter groups"),
        ("lookahead", "it keeps state beside that of its parameters"),
    ],
)
def test_others_are_found_out(name: str, reason: str) -> None:
    with allowed():
        factory = make("optim", optimizer_node(compose(f"optim={name}"), 20))
    assert reason in str(why_not_shared(factory))


def test_lanes_of_equal_settings_share_a_declared_optimizer(
    configs: Configs, both: Both, check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups: list[int] = []
    build = optimizers.OptimizerGroup.__init__

    def counted(self: Any, learners: Any, state: Any, settings: Any) -> None:
        build(self, learners, state, settings)
        groups.append(len(self.lanes))

    monkeypatch.setattr(optimizers.OptimizerGroup, "__init__", counted)
    any_lion = ("optim=any", "optim.name=Lion", "+optim.elementwise=true")
    lanes: list[tuple[str, ...]] = [(*any_lion, f"seed={seed}") for seed in (0, 1)]
    lanes += [("optim=lion", f"optim.lr={lr}", f"seed={seed}") for lr in (0.01, 0.02) for seed in (0, 1)]
    for lane, plain in both(configs(("model.hidden=[16]",), *lanes)):
        check(lane, plain)
    assert groups == [2, 2, 2]


def test_a_wrong_declaration_is_trained_individually(tmp_path: Path, configs: Configs) -> None:
    lanes = configs(("optim=lamb", "+optim.elementwise=true"), ("seed=0",), ("seed=1",))
    with allowed():
        outcomes = train_stack([Job(cfg, tmp_path / str(n)) for n, cfg in enumerate(lanes)])
    for outcome in outcomes:
        assert outcome.not_stacked == (
            "optim.elementwise=true, but Lamb cannot be shared: "
            "its step of several runs at once differs from theirs (weights [16])"
        )


@pytest.mark.parametrize("name", ALONE)
def test_what_steps_one_run_alone_says_why(name: str) -> None:
    config = compose(f"optim={name}")
    assert why_individual(config) == INDIVIDUAL[config["optim"]["_target_"]]


def test_by_name_the_stack_says_why(tmp_path: Path, configs: Configs) -> None:
    lanes = configs(("optim=any", "optim.name=AdaHessian"), ("seed=0",), ("seed=1",))
    with allowed():
        outcomes = train_stack([Job(cfg, tmp_path / str(n)) for n, cfg in enumerate(lanes)])
    reason = "AdaHessian takes the Hessian of its run's own loss"
    assert [outcome.not_stacked for outcome in outcomes] == [reason, reason]
