"""Tables as they lie beside papers: other shapes, other names of the seed, other ways to write numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from torch.utils.tensorboard import SummaryWriter

from abreast.errors import RunError
from abreast.report.formatting import metric_title
from abreast.report.readers.csv_files import read_csv
from abreast.report.readers.foreign_sweep import collect_foreign
from abreast.report.readers.settings import Choices


def lines(*rows: str) -> str:
    return "\n".join([*rows, ""])


@dataclass(frozen=True)
class Table:
    """A table, and what is to be read from it.

    Attributes:
        text: The file.
        metric: The title of the metric.
        seed: The column of the seed; None: there is none.
        settings: The settings that differ.
        means: The mean of each group's values.
        choices: What the user says.
    """

    text: str
    metric: str
    seed: str | None
    settings: tuple[str, ...]
    means: tuple[float, ...]
    choices: Choices = field(default_factory=Choices)


TABLES = {
    "a row a value": Table(
        lines(
            "model,rep,metric,value", "a,0,acc,0.8", "a,0,mse,1", "a,1,acc,0.6", "b,0,acc,0.5", "b,1,acc,0.3"
        ),
        *("test accuracy", "rep", ("model",), (0.7, 0.4)),
    ),
    "a column a seed": Table(
        lines("method,seed_0,seed_1,seed 2", "erm,80,82,84", "irm,70,,72"),
        *("test accuracy (%)", "seed", ("method",), (82.0, 71.0)),
        Choices(metric="accuracy", mode="max"),
    ),
    "metrics by seed": Table(
        lines("method,acc_seed1,acc_seed2,loss_seed1,loss_seed2", "a,0.8,0.9,1,2", "b,0.7,0.8,3,4"),
        *("test accuracy", "seed", ("method",), (0.85, 0.75)),
    ),
    "a column a method": Table(
        lines("seed,ours,baseline", "0,0.8,0.6", "1,0.9,0.7"),
        *("test accuracy", "seed", ("method",), (0.85, 0.65)),
        Choices(metric="accuracy"),
    ),
    "a row a stage": Table(
        lines("model,seed,split,acc", "a,0,val,0.9", "a,0,test,0.8", "b,0,val,0.7", "b,0,test,0.6"),
        *("test accuracy", "seed", ("model",), (0.8, 0.6)),
    ),
    "column levels of pandas": Table(
        lines(
            ",,acc,acc",
            "part,,test,val",
            "model,seed,,",
            "a,0,0.8,0.9",
            "a,1,0.6,0.9",
            "b,0,0.5,0.9",
            "b,1,0.3,0",
        ),
        *("test accuracy", "seed", ("model",), (0.7, 0.4)),
    ),
    "a decimal comma and percent signs": Table(
        lines("Method;Trial;Test Accuracy (%)", "a;1;84,5 %", "a;2;85,5 %", "b;1;80,0 %", "b;2;79 %"),
        *("test accuracy (%)", "Trial", ("Method",), (85.0, 79.5)),
    ),
    "commas between thousands": Table(
        lines("agent,replicate,score", 'dqn,0,"11,000"', 'dqn,1,"13,000"', "ppo,0,900", "ppo,1,800"),
        *("test score", "replicate", ("agent",), (12000.0, 850.0)),
    ),
    "missing cells and a comment": Table(
        lines(
            "opt,run,test_acc,note", "adam,0,0.9,", "adam,1,0.8,", "sgd,0,NA,OOM", "sgd,1,0.7,", "sgd,2,-,"
        ),
        *("test accuracy", "run", ("opt",), (0.85, 0.7)),
    ),
    "random_state and times": Table(
        lines(
            "clf,random_state,f1_macro,fit_time",
            "rf,11,0.8,1.5",
            "rf,22,0.9,1.6",
            "svm,11,NaN,2.5",
            "svm,22,0.7,1",
        ),
        *("test macro F1", "random_state", ("clf",), (0.85, 0.7)),
    ),
    "W&B's export": Table(
        lines(
            "Name,State,Notes,Created,Runtime,lr,seed,val_acc,epoch",
            *(
                f"run-{n},finished,-,2024-01-0{n},6{n},{0.1 if n < 4 else 0.01},{n},0.{n},10"
                for n in (1, 2, 3, 4, 5)
            ),
            "run-6,crashed,-,2024-01-06,60,0.01,6,0.9,3",
        ),
        *("validation accuracy", "seed", ("lr",), (0.2, 0.45)),
    ),
    "comments, folds": Table(
        lines("# five folds", "# by hand", "model,fold,acc", "a,1,0.8", "a,2,0.9", "b,1,0.7", "b,2,0.6"),
        *("test accuracy", None, ("model",), (0.85, 0.65)),
    ),
    "NumPy's header": Table(
        lines(
            "# use_bn,seed,test_acc",
            "0.0e+00,1.0e+00,8.0e-01",
            "0.0e+00,2.0e+00,9.0e-01",
            "1.0e+00,1.0e+00,7.0e-01",
        ),
        *("test accuracy", "seed", ("use_bn",), (0.85, 0.7)),
    ),
    "seeds in names": Table(
        lines("name,test_accuracy", "mlp_seed0,0.8", "mlp_seed1,0.9", "cnn_seed0,0.7", "cnn_seed1,0.7"),
        *("test accuracy", "seed", ("name",), (0.85, 0.7)),
    ),
    "a number for each run": Table(
        lines("run,lr,acc", "1,0.1,0.8", "2,0.1,0.9", "3,0.2,0.7", "4,0.2,0.6"),
        *("test accuracy", None, ("lr",), (0.85, 0.65)),
    ),
    "the header again, bold values": Table(
        lines("method,run,acc", "a,1,**0.8**", "a,2,0.9", "method,run,acc", "b,1,0.7", "b,2,0.6"),
        *("test accuracy", "run", ("method",), (0.85, 0.65)),
    ),
    "a search of Optuna": Table(
        lines(
            ",number,value,datetime_start,duration,params_lr,params_opt,state",
            *(f"{n},{n},0.{n}1,2024-01-01 10:00,0 days,0.00{n}1,{'ab'[n % 2]},COMPLETE" for n in range(1, 5)),
            "5,5,,2024-01-01 10:00:05,0 days,0.0061,a,PRUNED",
        ),
        *("test value", None, ("params_lr", "params_opt"), (0.11, 0.21, 0.31, 0.41)),
        Choices(metric="value", mode="max"),
    ),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table(name: str, tmp_path: Path) -> None:
    table, path = TABLES[name], tmp_path / "results.csv"
    path.write_text(table.text)
    collected = collect_foreign([path], table.choices)
    assert collected is not None
    sweep, metric, notes = collected
    assert metric_title(metric) == table.metric
    expected = [f"Seed: {table.seed}."] if table.seed else ["Seed: the folds", "Seed: none was found"]
    assert any(sentence in notes[0] for sentence in expected)
    groups: dict[tuple[object, ...], list[float]] = {}
    for run in sweep.runs:
        if metric in run.metrics:
            key = tuple(run.settings[setting] for setting in table.settings)
            groups.setdefault(key, []).append(run.metrics[metric])
    means = [sum(values) / len(values) for values in groups.values()]
    assert sorted(means) == pytest.approx(sorted(table.means))
    differing = notes[0].rpartition("Settings that differ: ")[2].removesuffix(".")
    assert sorted(differing.replace(" and ", ", ").split(", ")) == sorted(table.settings)


def test_games_and_data_sets_are_not_compared(tmp_path: Path) -> None:
    path = tmp_path / "rl.csv"
    rows = [f"{env},{seed},{step},{step * (seed + 1)}" for env in "ab" for seed in (0, 1) for step in (0, 5)]
    path.write_text(lines("env,seed,step,episode_return", *rows))
    collected = collect_foreign([path], Choices())
    assert collected is not None
    runs = collected[0].runs
    assert {run.settings["data.env"] for run in runs} == {"a", "b"}
    assert [run.metrics["test/episode_return"] for run in runs] == [5, 10] * 2  # the last of each curve


@pytest.mark.parametrize("name", ["{}/seed_{}/progress.csv", "{}/{}/progress.csv", "{}_seed{}.csv"])
def test_folders_say_the_seed(name: str, tmp_path: Path) -> None:
    for number, algorithm in enumerate(("ppo", "a2c")):
        for seed in (0, 1):
            path = tmp_path / name.format(algorithm, seed)
            path.parent.mkdir(parents=True, exist_ok=True)
            rows = [f"{step},{number + step / 10 + seed}" for step in (1, 2)]
            path.write_text(lines("time/total_timesteps,rollout/ep_rew_mean", *rows))
    collected = collect_foreign([tmp_path], Choices())
    assert collected is not None
    assert {(run.settings["run"], run.seed) for run in collected[0].runs} == {
        (algorithm, seed) for algorithm in ("ppo", "a2c") for seed in (0, 1)
    }


def test_folders_of_event_files_without_settings(tmp_path: Path) -> None:
    for algorithm in ("ppo", "a2c"):
        for seed in (0, 1):
            with SummaryWriter(str(tmp_path / algorithm / f"{seed}")) as writer:
                writer.add_scalar("val/acc", seed / 10, 1)
    collected = collect_foreign([tmp_path], Choices())
    assert collected is not None
    assert len({run.key for run in collected[0].runs}) == 2
    assert [run.seed for run in collected[0].runs] == [0, 1, 0, 1]


def test_a_history_of_keras_is_a_curve(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    path.write_text(lines(",loss,accuracy,val_loss,val_accuracy,lr", "0,2,0.5,3,0.4,1", "1,1,0.7,2,0.6,1"))
    (run,) = read_csv(path)
    assert run.curves["val_accuracy"] == [0.4, 0.6]


def test_means_with_deviations_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "paper.csv"
    path.write_text(lines("method,accuracy", "erm,84.1 ± 0.3", "irm,86.0 ± 0.2"))
    with pytest.raises(RunError, match=r"84\.1 ± 0\.3 is a mean with its spread\. The values of the runs"):
        collect_foreign([path], Choices())
