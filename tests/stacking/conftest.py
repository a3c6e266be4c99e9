"""Training the same runs both ways: as one stack, and individually."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import pytest

from abreast.learner.checkpoint import load
from abreast.runs.directory import RunDirectory
from support.helpers import allowed, compose, same
from support.references import References
from support.small_runs import UNEVEN
from support.stacks import Both


def check_equal(lane: Path, plain: Path) -> None:
    """A lane's run directory holds what its plain run's holds, to the bit."""
    for file in ("best.ckpt", "last.ckpt"):
        assert (lane / "checkpoints" / file).exists() == (plain / "checkpoints" / file).exists(), file
        if not (plain / "checkpoints" / file).exists():
            continue
        one, other = load(lane / "checkpoints" / file), load(plain / "checkpoints" / file)
        assert one.keys() == other.keys()
        for key in one:
            if key != "callbacks":  # they hold paths
                assert same(one[key], other[key]), f"{file}: {key} differs"
        assert one["callbacks"].keys() == other["callbacks"].keys()
        for name, state in one["callbacks"].items():
            for key, value in state.items():
                # ModelCheckpoint does not load its current score again.
                if "path" not in key and key not in ("best_k_models", "current_score", "seconds"):
                    assert key == "dirpath" or same(value, other["callbacks"][name][key]), f"{name}: {key}"
    found, expected = RunDirectory(lane), RunDirectory(plain)
    assert (lane / "metrics.csv").exists() == (plain / "metrics.csv").exists()
    if (plain / "metrics.csv").exists():
        rows, others = found.read_metrics(), expected.read_metrics()
        assert [{**row, "seconds": 0} for row in rows] == [{**row, "seconds": 0} for row in others]
    assert found.read_status()["status"] == expected.read_status()["status"]
    if expected.read_status()["status"] == "finished":
        result, reference = found.read_result(), expected.read_result()
        how = {"seconds": 0, "execution": {}}
        assert {**result, **how} == {**reference, **how}


@pytest.fixture
def check() -> Callable[[Path, Path], None]:
    """Compare a lane with its plain run."""
    return check_equal


@pytest.fixture
def configs() -> Callable[..., list[dict[str, Any]]]:
    """Small runs: what they have in common, then what each adds."""

    def composed(common: Sequence[str], *each: Sequence[str]) -> list[dict[str, Any]]:
        first = ("trainer=cpu", "logger=none", "callbacks=none", *UNEVEN, "steps_per_execution=4", *common)
        return [compose(*first, *more) for more in each]

    return composed


@pytest.fixture
def both(tmp_path: Path, reference: References) -> Both:
    """Train configs as one stack and individually; the directories of each run.

    Every run has to finish, but for those whose numbers are in `diverge`: each of these fails both ways, with
    one error of one message, which names the step.
    """
    from abreast.stacking.build import Job
    from abreast.stacking.options import Options
    from abreast.stacking.run import train_stack

    def trained(
        configs: Sequence[dict[str, Any]], diverge: Collection[int] = (), **options: Any
    ) -> list[tuple[Path, Path]]:
        references = [reference(cfg) for cfg in configs]
        jobs = [Job(cfg, tmp_path / f"lane{k}") for k, cfg in enumerate(configs)]
        with allowed():
            outcomes = train_stack(jobs, Options(**options))
        assert [outcome.not_stacked for outcome in outcomes] == [None] * len(jobs)
        for number, (outcome, alone) in enumerate(zip(outcomes, references, strict=True)):
            if number in diverge:
                assert alone.error == type(outcome.error).__name__ == "DivergedError"
                assert alone.message == str(outcome.error)
                assert re.search(r"diverged at step \d+", str(outcome.error))
            else:
                assert outcome.error is None
                alone.finished()
        return [(job.directory, alone.path) for job, alone in zip(jobs, references, strict=True)]

    return trained
