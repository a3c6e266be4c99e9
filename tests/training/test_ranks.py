"""One run over two processes gives the run directory that one gives."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from abreast.learner.checkpoint import load
from abreast.runs.directory import RunDirectory
from abreast.runs.example_outcomes import read_example_outcomes
from abreast.runs.files import EXAMPLES
from abreast.training.ranks import ranks_to_start
from support.command_line import Outcome
from support.forks import run_forked
from support.helpers import compose


def train(folder: Path, *overrides: str) -> Outcome:
    """The command line; the ranks that it starts are processes of their own."""
    common = ("trainer.accelerator=cpu", "logger=none")
    return run_forked([*common, *overrides, f"hydra.run.dir={folder}"], folder.parent)


SMALL = ("data=random", "data.size=400", "data.test_size=50", "data.batch_size=32", "trainer.max_epochs=2")


@pytest.mark.parametrize("steps", [pytest.param("1", marks=pytest.mark.long), "50"])
def test_two_processes_give_what_one_gives(steps: str, tmp_path: Path) -> None:
    # 360 rows are trained on: 11 batches of 32, and one of 8.
    more = (*SMALL, f"steps_per_execution={steps}", "optim=momentum")
    for name, trainer in (("one", "default"), ("two", "ddp")):
        done = train(tmp_path / name, *more, f"trainer={trainer}")
        assert done.code == 0, done.err
    one, two = RunDirectory(tmp_path / "one"), RunDirectory(tmp_path / "two")
    names = {path.relative_to(one.path).as_posix() for path in one.path.rglob("*")}
    assert {path.relative_to(two.path).as_posix() for path in two.path.rglob("*")} == names
    for row, other in zip(one.read_metrics(), two.read_metrics(), strict=True):
        assert row["step"] == other["step"]
        # float32 sums of other orders; tests/learner has the proof in double precision
        assert row["train/loss"] == pytest.approx(other["train/loss"], rel=1e-4)
        assert row["val/accuracy"] == other["val/accuracy"]
    assert two.read_status() == {"status": "finished"}
    results = [run.read_result() for run in (one, two)]
    assert results[0]["data"] == results[1]["data"]
    assert [result["execution"]["processes"] for result in results] == [1, 2]
    outcomes = [read_example_outcomes(run.path / EXAMPLES) for run in (one, two)]
    assert outcomes[0].values.tolist() == outcomes[1].values.tolist()  # rank by rank, in the stored order
    assert (len(outcomes[0].values), outcomes[0].targets) == (50, outcomes[1].targets)
    weights = [load(run.checkpoints / "last.ckpt")["state_dict"] for run in (one, two)]
    for key, value in weights[0].items():
        torch.testing.assert_close(value, weights[1][key], rtol=1e-4, atol=1e-5)


def test_a_rank_that_fails_is_told_by_its_reason(tmp_path: Path) -> None:
    done = train(tmp_path / "run", *SMALL, "trainer=ddp", "loss=mse", "optim=sgd", "optim.lr=1e20")
    status = RunDirectory(tmp_path / "run").read_status()
    assert status["status"] == "failed"
    assert done.code == 1
    assert status["reason"].startswith("diverged at step")
    assert status["reason"] in done.err


@pytest.mark.parametrize(
    ("overrides", "ranks"),
    [
        ((), 1),
        (("trainer.devices=2",), 1),
        (("trainer=ddp",), 2),
        (("trainer=ddp", "trainer.devices=4"), 4),
        (("trainer=ddp", "trainer.devices=[0,1,2]"), 3),
    ],
)
def test_how_many_are_started(
    overrides: tuple[str, ...], ranks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ranks_to_start(compose(*overrides)) == ranks
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "outside")  # under torchrun this process is a rank itself
    assert ranks_to_start(compose(*overrides)) == 1
