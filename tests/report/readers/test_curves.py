"""Columns that are logged in the course of a training make no runs of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from abreast.report.readers.csv_files import read_csv

STEPS = (0, 10, 20, 30)
# The header, and a row of a step: of the run, the step, and what changes once in its course.
LOGGED = {
    "a learning rate that falls once": ("epoch,lr,acc", "{step},0.{twice},{value}"),
    "a coefficient that rises": ("iteration,n_koeff,reward", "{step},0.9{twice},{value}"),
    "texts of each step": ("step,action,eval_time,acc", "{step},[0.{step}],{twice},{value}"),
    "times of day": ("step,date,timestamp,acc", "{step},2024-01-01_00-0{step},17{step},{value}"),
    "losses beside a learning rate": ("step,train_loss,lr,acc", "{step},0.{step}1,0.{twice},{value}"),
    "steps in two words": ("total timesteps,num_episodes,ep_rew_mean", "{step},{twice},{value}"),
    "rounds beside a seed": ("method,seed,round,test_acc", "fedavg,{run},{step},{value}"),
}


@pytest.mark.parametrize("name", LOGGED)
def test_what_changes_from_step_to_step_is_no_setting(name: str, tmp_path: Path) -> None:
    header, row = LOGGED[name]
    runs = (0, 1) if "seed" in header else (0,)
    path = tmp_path / "log.csv"
    table = [
        row.format(step=step, run=run, twice=step // 20, value=step + run) for run in runs for step in STEPS
    ]
    path.write_text("\n".join([header, *table]))
    read = read_csv(path)
    assert [run.curves[header.rpartition(",")[2]][-1] for run in read] == [30.0 + run for run in runs]
    assert all({*run.settings} <= {"method", "seed"} for run in read)


@pytest.mark.parametrize(
    ("header", "rows", "values"),
    [
        # Settings beside the epoch that a run has reached, rounds that are repetitions, runs side by side.
        ("epoch,lr,seed,acc", "10,0.1,0,0.8 20,0.1,1,0.9 30,0.01,0,0.7 40,0.01,1,0.6", [0.8, 0.9, 0.7, 0.6]),
        *(
            (f"model,{name},seed,acc", "a,x,0,0.8 a,y,0,0.9 b,x,0,0.7 b,y,0,0.6", [0.8, 0.9, 0.7, 0.6])
            for name in ("generation", "episode", "iter", "step", "epoch")
        ),
        # Regular epochs that several methods, or folds, have reached.
        *((f"{name},epoch,acc", "1,10,0.8 2,20,0.9 3,30,0.7", [0.8, 0.9, 0.7]) for name in ("fold", "seed")),
        *(
            (f"{name},epoch,acc", "a,10,0.8 b,20,0.9 c,30,0.7", [0.8, 0.9, 0.7])
            for name in ("model", "optimizer", "config.method")
        ),
        ("method,iter,acc", "a,1,0.8 a,2,0.9 b,1,0.7 b,2,0.6", [0.8, 0.9, 0.7, 0.6]),
        ("model,generation,acc", "a,1,0.8 a,2,0.9 a,3,0.7 b,1,0.6 b,2,0.5 b,3,0.4", [0.7, 0.4]),
        ("model,epoch,acc", "a,1/2,0.8 a,2/2,0.9 b,1/2,0.6 b,final,0.5", [0.9, 0.5]),
        ("model,round,score", "a,1,0.8 a,2,0.9 a,3,0.7 b,1,0.6", [0.8, 0.9, 0.7, 0.6]),
        ("epoch,lr,acc", "0,0.1,0 0,0.2,0 1,0.1,0.8 1,0.2,0.9 2,0.1,0.7 2,0.2,0.6", [0.7, 0.6]),
    ],
)
def test_settings_stay_settings(header: str, rows: str, values: list[float], tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("\n".join([header, *rows.split()]))
    assert [run.results()[header.rpartition(",")[2]] for run in read_csv(path)] == values
