"""Suggestions of a search follow from its seed and the earlier trials, also when it was killed meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra.core.utils import JobReturn, JobStatus
from hydra.utils import execution_whitelist

optuna = pytest.importorskip("optuna", reason="optuna is not installed: pip install -e '.[search]'")
pytest.importorskip("hydra_plugins.hydra_optuna_sweeper", reason="install '.[search]'")


@pytest.fixture(autouse=True)
def _sampler_is_allowed() -> Iterator[None]:
    with execution_whitelist(["optuna.samplers.*"]):
        yield


def trials(path: Path, n_trials: int = 12, **space: object) -> Any:
    """The trials of the study in a file, as a new process finds them."""
    from hydra_plugins.abreast_search._trials import OptunaTrials
    from hydra_plugins.abreast_search.config import AbreastSearchConf

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(storage=f"sqlite:///{path}", study_name="search", load_if_exists=True)
    searched = space or {"lr": optuna.distributions.FloatDistribution(1e-4, 1.0, log=True)}
    settings = AbreastSearchConf(n_trials=n_trials, sampler={"_target_": "optuna.samplers.RandomSampler"})
    return OptunaTrials(study, settings, searched, ["test=false"])


def ended(value: float | None) -> JobReturn:
    status = JobStatus.COMPLETED if value is not None else JobStatus.FAILED
    return JobReturn(status=status, _return_value=value)


def test_a_killed_search_asks_the_same(tmp_path: Path) -> None:
    whole = trials(tmp_path / "whole.db")
    first = whole.ask(4, 0)
    whole.tell(1, ended(0.5))
    whole.tell(2, ended(None))
    more = [*whole.ask(1, 3), *whole.ask(1, 3)]
    killed = trials(tmp_path / "killed.db")
    assert killed.ask(4, 0) == first
    killed.tell(1, ended(0.5))
    again = trials(tmp_path / "killed.db")
    assert again.ask(4, 0) == [first[0], first[2], first[3]]  # what was in progress, and nothing else
    again.tell(2, ended(None))
    assert again.ask(1, 3) == more[:1]
    last = trials(tmp_path / "killed.db")
    assert last.ask(4, 0) == [first[0], first[3], more[0]]
    assert last.ask(1, 3) == more[1:]
    assert [trial.joined for trial in (*first, *more)] == [0, 0, 0, 0, 3, 3]
    assert len({trial.title for trial in (*first, *more)}) == 6


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
