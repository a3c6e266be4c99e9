"""Suggestions of a search follow from its seed and the earlier trials, also when it was killed meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hydra.core.utils import JobReturn, JobStatus
from hydra.utils import execution_whitelist
from omegaconf import OmegaConf

from abreast.runs.directory import RunDirectory
from hydra_plugins.abreast_launcher._asked_jobs import Arrival

optuna = pytest.importorskip("optuna", reason="optuna is not installed: pip install -e '.[search]'")
pytest.importorskip("hydra_plugins.hydra_optuna_sweeper", reason="install '.[search]'")


@pytest.fixture(autouse=True)
def _sampler_is_allowed() -> Iterator[None]:
    with execution_whitelist(["optuna.samplers.*"]):
        yield


def trials(path: Path, n_trials: int = 12, rungs: Sequence[int] = (), **space: object) -> Any:
    """The trials of the study in a file, as a new process finds them."""
    from hydra_plugins.abreast_search._trials import OptunaTrials
    from hydra_plugins.abreast_search.config import AbreastSearchConf

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(storage=f"sqlite:///{path}", study_name="search", load_if_exists=True)
    searched = space or {"lr": optuna.distributions.FloatDistribution(1e-4, 1.0, log=True)}
    settings = AbreastSearchConf(n_trials=n_trials, sampler={"_target_": "optuna.samplers.RandomSampler"})
    search = OptunaTrials(study, settings, searched, ["test=false"])
    search.halve(rungs, 0.5)
    return search


def ended(value: float | None) -> JobReturn:
    status = JobStatus.COMPLETED if value is not None else JobStatus.FAILED
    return JobReturn(status=status, _return_value=value)


def test_a_killed_search_asks_the_same(tmp_path: Path) -> None:
    whole = trials(tmp_path / "whole.db")
    first = whole.ask(4, 0)
    whole.tell(1, ended(0.5), 3)
    whole.tell(2, ended(None), 3)
    more = [*whole.ask(1, 3), *whole.ask(1, 3)]
    killed = trials(tmp_path / "killed.db")
    assert killed.ask(4, 0) == first
    killed.tell(1, ended(0.5), 3)
    again = trials(tmp_path / "killed.db")
    again_begun = [trial._replace(is_begun=True) for trial in (first[0], first[2], first[3])]
    assert again.ask(4, 0) == again_begun  # what was in progress, and nothing else
    again.tell(2, ended(None), 3)
    assert again.ask(1, 3) == more[:1]
    last = trials(tmp_path / "killed.db")
    assert last.ask(4, 0) == [trial._replace(is_begun=True) for trial in (first[0], first[3], more[0])]
    assert last.ask(1, 3) == more[1:]
    assert [trial.joined for trial in (*first, *more)] == [0, 0, 0, 0, 3, 3]
    assert len({trial.title for trial in (*first, *more)}) == 6


def test_what_was_noted_last_is_known_to_the_next_process(tmp_path: Path) -> None:
    search = trials(tmp_path / "a.db")
    assert search.latest == 0
    search.ask(2, 0)
    search.tell(0, ended(0.5), 7)
    assert (search.latest, trials(tmp_path / "a.db").latest) == (7, 7)
    search.ask(1, 8)
    search.joins(2, 9)
    assert trials(tmp_path / "a.db").latest == 9


def dropped(folder: Path, rung: int) -> JobReturn:
    """The return of a run that halving has dropped, with its directory."""
    folder.mkdir(exist_ok=True)
    RunDirectory(folder).write_status("dropped", reason="rank 2 of 2 so far", dropped_at=rung)
    returned = ended(0.4)
    returned.hydra_cfg = OmegaConf.create({"hydra": {"runtime": {"output_dir": str(folder)}}})
    return returned


def test_a_pruned_trial_goes_on_when_it_is_among_the_best(tmp_path: Path) -> None:
    """As another one of Optuna's with the same number here, also when the search was killed meanwhile."""
    path = tmp_path / "a.db"
    search = trials(path, n_trials=4, rungs=(1, 3))
    search.ask(3, 0)
    reached = [Arrival(number, 1, "", cost) for number, cost in enumerate((0.1, 0.2, 0.3))]
    assert search.reach(reached, 1) == {1: "rank 2 of 3 so far", 2: "rank 3 of 3 so far"}
    assert trials(path, 4, (1, 3)).reach(reached, 1) == {1: "rank 2 of 3 so far", 2: "rank 3 of 3 so far"}
    search.tell(1, dropped(tmp_path / "1", 1), 1)
    search.tell(2, dropped(tmp_path / "2", 1), 1)
    assert search.study.trials[1].state == optuna.trial.TrialState.PRUNED
    assert [trial.number for trial in search.ask(2, 1)] == [3]
    assert search.ask(1, 2) == []
    assert search.reach([Arrival(3, 1, "", 0.9)], 2) == {3: "rank 4 of 4 so far"}
    search.tell(3, dropped(tmp_path / "3", 1), 2)
    assert search.left == 1
    (promoted,) = search.ask(2, 2)  # now that four have come as far, the second best goes on
    assert (promoted.number, promoted.promoted, promoted.joined) == (1, 1, 1)
    assert (search.count, search.left) == (4, 0)
    assert {trial.number for trial in trials(path, 4, (1, 3)).ask(4, 0)} == {0, 1}
    search.tell(1, ended(0.7), 5)
    assert search.study.stored.best_trial.params == search.study.trials[1].params
    assert search.number_of(search.study.stored.best_trial) == 1
    assert search.rungs.dropped == {1: 2}


def test_no_more_trials_than_asked_for(tmp_path: Path) -> None:
    search = trials(tmp_path / "a.db", n_trials=3)
    assert search.left == 3
    assert len(search.ask(2, 0)) == 2
    assert search.left == 1
    assert len(search.ask(2, 1)) == 1
    assert (search.left, search.ask(2, 2)) == (0, [])


def test_a_space_that_is_used_up(tmp_path: Path) -> None:
    search = trials(tmp_path / "a.db", lr=optuna.distributions.CategoricalDistribution((0.1, 0.2)))
    assert len(search.ask(5, 0)) == 2
    assert (search.left, search.ask(1, 1)) == (0, [])
