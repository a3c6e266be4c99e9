"""A search asks for a trial when a lane is free, and goes on where it was stopped."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

import pytest
import yaml

pytest.importorskip("optuna", reason="optuna is not installed: pip install -e '.[search]'")
pytest.importorskip("hydra_plugins.hydra_optuna_sweeper", reason="install '.[search]'")

SPACE = ("optim=sgd,adam", "optim.lr=tag(log,interval(0.001,1))")
RUN = ("data=random", "data.size=200", "data.test_size=50", "trainer.max_epochs=1", "test=false")
OURS = ("hydra/sweeper=abreast_search", "hydra.sweeper.batch=4")
STACK = "Training 4 of 4 jobs side by side, in stacks of 4"
ASKED = "Training 4 trials at a time, the next when a lane is free"


def test_a_search_trains_abreast_and_goes_on(sweep: Callable[..., Any]) -> None:
    first = sweep(*RUN, *SPACE, *OURS, "hydra.sweeper.n_trials=8")
    assert first.output.count(ASKED) == 1
    assert len(first.runs()) == 8
    more = sweep(*RUN, *SPACE, *OURS, "hydra.sweeper.n_trials=12")
    assert "8 of 12 trials are finished already" in more.output
    assert more.output.count(ASKED) == 1
    assert more.statuses() == ["finished"] * 12
    # All twelve at once are the same twelve: suggestions follow from the seed and the trials before.
    whole = sweep(*RUN, *SPACE, *OURS, "hydra.sweeper.n_trials=12", name="whole")
    assert sorted(whole.runs()) == sorted(more.runs())
    best = max(more.runs().values(), key=lambda run: run.read_result()["metrics"]["val/accuracy"])
    results = yaml.safe_load((more.folder / "optimization_results.yaml").read_text())
    accuracy = best.read_result()["metrics"]["val/accuracy"]
    assert results["best_evaluated_value"] == pytest.approx(accuracy)
    assert results["trials"] == 12


def test_trials_that_were_under_way_are_trained_again(sweep: Callable[..., Any]) -> None:
    first = sweep(*RUN, *SPACE, *OURS, "hydra.sweeper.n_trials=8")
    database = sqlite3.connect(first.folder / "search.db")
    with database:  # as a search leaves it that is killed while its second stack trains
        database.execute("UPDATE trials SET state = 'RUNNING', datetime_complete = NULL WHERE number >= 4")
        database.execute("DELETE FROM trial_values WHERE trial_id > 4")
    database.close()
    again = sweep(*RUN, *SPACE, *OURS, "hydra.sweeper.n_trials=8")
    assert "4 of 4 runs are finished already" in again.output
    assert len(again.runs()) == 8


def test_a_space_that_is_used_up(sweep: Callable[..., Any]) -> None:
    done = sweep(*RUN, "optim=sgd", "optim.lr=0.1,0.01,0.001", *OURS, "hydra.sweeper.n_trials=20")
    assert len(done.runs()) == 3
    assert "nothing new to try after 3 trials" in done.output


def test_a_search_with_halving(sweep: Callable[..., Any]) -> None:
    halving = ("hydra.launcher.halving=[1]", "hydra.launcher.keep=0.5", "trainer.max_epochs=2")
    done = sweep(*RUN, *SPACE, *OURS, *halving, "hydra.sweeper.n_trials=7")
    statuses = done.statuses()
    assert statuses.count("dropped") >= 2
    assert statuses.count("finished") >= 3  # the best half, and who was among it for a time
    results = yaml.safe_load((done.folder / "optimization_results.yaml").read_text())
    assert results["dropped_after_epoch"] == {1: statuses.count("dropped")}
    assert f"Dropped by successive halving: {statuses.count('dropped')} after epoch 1" in done.output


def test_rungs_of_a_search_are_validated(sweep: Callable[..., Any]) -> None:
    wrong = ("hydra.launcher.halving=[1]", "trainer.check_val_every_n_epoch=2", "trainer.max_epochs=2")
    done = sweep(*RUN, *SPACE, *OURS, *wrong, "hydra.sweeper.n_trials=4", code=2)
    assert "write multiples of trainer.check_val_every_n_epoch=2" in done.output


def test_nothing_to_search(sweep: Callable[..., Any]) -> None:
    assert "nothing to search" in sweep(*RUN, *OURS, code=2).output


def test_hydras_own_optuna_sweeper(sweep: Callable[..., Any]) -> None:
    own = ("hydra/sweeper=optuna", "hydra.sweeper.direction=maximize", "hydra.sweeper.n_trials=8")
    storage = ("hydra.sweeper.storage=sqlite:///search.db", "hydra.sweeper.study_name=a")
    done = sweep(*RUN, *SPACE, *own, *storage, "hydra.sweeper.n_jobs=4")
    assert done.output.count(STACK) == 2
    before = set(done.runs())
    again = sweep(*RUN, *SPACE, *own, *storage, "hydra.sweeper.n_jobs=4")
    assert before < set(again.runs())  # nothing is written over, though Hydra's job numbers begin anew
    assert set(again.statuses()) == {"finished"}


@pytest.mark.long
def test_the_ranks_of_a_trial_have_its_settings(sweep: Callable[..., Any]) -> None:
    # Lightning's own launcher would ask Optuna again in every rank.
    more = ("trainer=ddp", "hydra.sweeper.n_trials=2", "hydra.sweeper.batch=2")
    done = sweep(*RUN, *SPACE, *OURS, *more)
    assert done.statuses() == ["finished"] * 2
    assert len({run.read_config()["optim"]["lr"] for run in done.runs().values()}) == 2
