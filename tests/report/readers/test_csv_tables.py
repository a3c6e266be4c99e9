"""Tables as they lie beside papers: other shapes, other names of the seed, other ways to write numbers."""

from __future__ import annotations

import gzip
import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from scipy import stats
from torch.utils.tensorboard import SummaryWriter

from abreast.errors import RunError
from abreast.report.analysis import analyse
from abreast.report.datasets import over_datasets
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
        file: What the file is called.
        encoding: Of the file.
    """

    text: str
    metric: str
    seed: str | None
    settings: tuple[str, ...]
    means: tuple[float, ...]
    choices: Choices = field(default_factory=Choices)
    file: str = "results.csv"
    encoding: str = "utf-8"


OPTIMIZERS = (("adam", 0, 8), ("adam", 1, 9), ("sgd", 0, 7), ("sgd", 1, 6))  # with seeds and accuracies
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
    "names of rows": Table(
        lines(",accuracy,f1", "resnet,0.9,0.8", "vgg,0.8,0.7"),
        *("test accuracy", None, ("name",), (0.9, 0.8)),
    ),
    "names of rows and seeds": Table(
        lines('"","seed","accuracy"', '"rf",0,0.9', '"rf",1,0.7', '"svm",0,0.8', '"svm",1,0.5'),
        *("test accuracy", "seed", ("name",), (0.8, 0.65)),
    ),
    "a header merged by a spreadsheet": Table(
        lines(
            ";;MNIST;;CIFAR;", "method;seed;accuracy;loss;accuracy;loss", "a;0;0,9;1;0,8;2", "b;0;0,7;1;0,5;2"
        ),
        *("test MNIST accuracy", "seed", ("method",), (0.9, 0.7)),
        Choices(metric="MNIST_accuracy"),
    ),
    "stages within names": Table(
        lines("model,seed,final_train_acc,best_val_acc,probe_test_acc", "a,0,1,0.9,0.8", "b,0,1,0.5,0.6"),
        *("test probe acc", "seed", ("model",), (0.8, 0.6)),
    ),
    "stages in camel case": Table(
        lines("model,seed,MSETrain,MSEValidation,MSETest", "a,0,1,0.9,0.8", "b,0,1,0.5,0.6"),
        *("test MSE", "seed", ("model",), (0.8, 0.6)),
    ),
    "memory and times beside results": Table(
        lines(
            "model,seed,peak_mb,runtime_s,acc", "a,0,10,5,0.8", "a,1,11,5,0.6", "b,0,10,7,0.5", "b,1,12,8,0.3"
        ),
        *("test accuracy", "seed", ("model",), (0.7, 0.4)),
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
    "Excel's text in UTF-16": Table(
        lines("Model\tSeed\tAccuracy", "a\t1\t0.8", "a\t2\t0.9", "b\t1\t0.7", "b\t2\t0.6"),
        *("test accuracy", "Seed", ("Model",), (0.85, 0.65)),
        file="results.txt",
        encoding="utf-16",
    ),
    "Western Windows, packed": Table(
        lines("M\xe9thode;seed;acc", "\xe9;1;0,8", "\xe9;2;0,9", "b;1;0,7", "b;2;0,6"),
        *("test accuracy", "seed", ("M\xe9thode",), (0.85, 0.65)),
        file="results.csv.gz",
        encoding="cp1252",
    ),
    "Markdown in a text": Table(
        lines(
            *(
                "# Results",
                "",
                "| model | seed | Top-1 |",
                "|:--|--:|:-:|",
                "| a | 1 | **0.8** |",
                "| a | 2 | 0.9 |",
            ),
            *("| b | 1 | 0.7 |", "| b | 2 | 0.6 |", "", "More text."),
        ),
        *("test accuracy", "seed", ("model",), (0.85, 0.65)),
        file="README.md",
    ),
    "LaTeX with merged cells": Table(
        lines(
            *(
                r"\begin{tabular}{@{}lr@{\hspace{1em}}r@{}}",
                r"\toprule",
                r"Method & Seed & Acc. [\%] \\ \midrule",
            ),
            *(r"\multirow{2}{*}{CE} & 0 & 91 \\", r" & 1 & \textbf{92} \\", r"\cmidrule(lr){2-3}"),
            *(r"\multirow{2}{*}{MSE} & 0 & $93$ \\[2pt]", r" & 1 & 94 \\", r"\bottomrule", r"\end{tabular}"),
        ),
        *("test Acc. (%)", "Seed", ("Method",), (91.5, 93.5)),
        file="table.tex",
    ),
    "records of JSON": Table(
        lines(*(f'{{"config": {{"opt": "{o}"}}, "seed": {s}, "acc": 0.{v}}}' for o, s, v in OPTIMIZERS)),
        *("test accuracy", "seed", ("config.opt",), (0.85, 0.65)),
        file="results.jsonl",
    ),
    "aligned columns, names of rows as R writes them": Table(
        lines('"model" "seed" "acc"', '"1" "a" 1 0.8', '"2" "a" 2 0.9', '"3" "b" 1 0.7', '"4" "b" 2 0.6'),
        *("test accuracy", "seed", ("model",), (0.85, 0.65)),
        file="results.txt",
    ),
    "a title, a note, empty columns": Table(
        lines(
            "Table 2: digits,,,",
            ",,,",
            "Method,Seed,Accuracy,",
            "a,1,0.8,",
            "b,1,0.7,",
            ",,,",
            "Note: 5 epochs,,,",
        ),
        *("test accuracy", "Seed", ("Method",), (0.8, 0.7)),
    ),
    "rows of summaries by seed": Table(
        lines(
            "model,seed,acc",
            "a,1,0.8",
            "a,2,0.9",
            "a,mean,0.85",
            "a,std,0.07",
            "b,1,0.7",
            "b,2,0.6",
            "Average,,0.7",
        ),
        *("test accuracy", "seed", ("model",), (0.85, 0.65)),
    ),
    "settings that are called as summaries": Table(
        lines("pooling,seed,acc", "mean,1,0.8", "mean,2,0.9", "max,1,0.7", "max,2,0.6"),
        *("test accuracy", "seed", ("pooling",), (0.85, 0.65)),
    ),
    "settings that are nothing": Table(
        lines("depth,schedule,seed,acc", "2,cosine,1,0.8", ",cosine,1,0.7", "2,,1,0.6", ",,1,0.5"),
        *("test accuracy", "seed", ("depth", "schedule"), (0.8, 0.7, 0.6, 0.5)),
    ),
    "numbered columns beside their mean": Table(
        lines("method,s1,s2,mean,std", "a,0.8,0.9,0.85,0.07", "b,0.7,0.6,0.65,0.07"),
        *("test accuracy", "seed", ("method",), (0.85, 0.65)),
        Choices(metric="accuracy"),
    ),
    "methods by data set": Table(
        lines("dataset,C4.5,C4.5+m", "adult,0.8,0.7", "wine,0.9,0.6"),
        *("test AUROC", None, ("dataset", "method"), (0.8, 0.9, 0.7, 0.6)),
        Choices(metric="auroc"),
    ),
    "words for runs that diverged": Table(
        lines("opt,seed,acc", "a,0,0.8", "a,1,0.9", "b,0,0.7", "b,1,diverged", "b,2,inf", "b,3,0.6"),
        *("test accuracy", "seed", ("opt",), (0.85, 0.65)),
    ),
    "0 and 0.0 are one number": Table(
        lines("dropout,seed,acc", "0,0,0.8", "0.0,1,0.9", "0.5,0,0.7", "0.5,1,0.6"),
        *("test accuracy", "seed", ("dropout",), (0.85, 0.65)),
    ),
    "results of Ray Tune": Table(
        lines(
            "trial_id,acc,time_total_s,training_iteration,pid,experiment_tag,config/seed,config/opt",
            *(f"t{o}{s},0.{v},1{s}.5,{v},{s}9{v},{o}_{s},{s},{o}" for o, s, v in OPTIMIZERS),
        ),
        *("test accuracy", "config/seed", ("config/opt",), (0.85, 0.65)),
    ),
    "attributes and durations of Optuna": Table(
        lines(
            "number,value,duration,params_opt,user_attrs_seed,state",
            *(f"{n},0.{v},0 days 00:00:0{n}.5,{o},{s},COMPLETE" for n, (o, s, v) in enumerate(OPTIMIZERS)),
        ),
        *("test value", "user_attrs_seed", ("params_opt",), (0.85, 0.65)),
        Choices(metric="value", mode="max"),
    ),
    "a chart of W&B": Table(
        lines(
            "Step," + ",".join(f"{o}-seed{s} - val_acc,{o}-seed{s} - val_acc__MIN" for o, s, _ in OPTIMIZERS),
            "1" + ",0.1,0.1" * 4,
            "2" + "".join(f",0.{v},0.{v}" for _, _, v in OPTIMIZERS),
        ),
        *("validation accuracy", "seed", ("name",), (0.85, 0.65)),
    ),
    "folds of caret": Table(
        lines("Resample,rf~Accuracy,svm~Accuracy", "Fold1.Rep1,0.8,0.7", "Fold2.Rep1,0.9,0.6"),
        *("test accuracy", None, ("name",), (0.85, 0.65)),
    ),
    "points between thousands, minus signs": Table(
        lines("algo;seed;reward", "a;0;-1.234,5", "a;1;\u22121.235,5", "b;0;12,5", "b;1;13,5"),
        *("test reward", "seed", ("algo",), (-1235.0, 13.0)),
    ),
    "units in the cells": Table(
        lines("opt,seed,latency", *(f"{o},{s},1.{v} ms" for o, s, v in OPTIMIZERS)),
        *("test latency", "seed", ("opt",), (1.85, 1.65)),
    ),
}
REFUSED = {
    "means and standard deviations": (
        "method,acc_mean,acc_std\na,0.8,0.1\nb,0.7,0.1\n",
        "acc_mean is a mean over runs",
    ),
    "a deviation beside its mean": ("method,acc,acc_sd\na,0.8,0.1\nb,0.7,0.1\n", "acc is a mean over runs"),
    "means with their spread": ("method,acc\na,84.1±0.3\nb,$82.0 \\pm 0.2$\n", "is a mean with its spread"),
    "small spreads of LaTeX": (
        "\\begin{tabular}{lc} m & acc \\\\ a & 91.2{\\scriptsize$\\pm$0.3} \\\\ \\end{tabular}",
        "91.2±0.3 is a mean with its spread",
    ),
    "pandas' describe": (
        ",a,b\ncount,5,5\nmean,0.9,0.8\nstd,0.1,0.1\n",
        "nothing but summaries (count, mean, std)",
    ),
    "no metric": (
        "method,mnist,cifar\na,0.9,0.8\nb,0.8,0.7\n",
        "none of its columns is known as a metric (method, mnist",
    ),
    "percentages beside shares": (
        "m,seed,acc\na,0,90%\na,1,91%\nb,0,0.8\nb,1,0.7\n",
        "acc holds 90%, which is not",
    ),
    "counts of examples": ("m,seed,acc\na,0,352/360\nb,0,350/360\n", "acc holds 352/360, which is not"),
    "two tables": ("|a|b|\n|--|--|\n|1|2|\n\n|a|b|\n|--|--|\n|1|2|\n", "holds 2 tables"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_judged_is_refused(name: str, tmp_path: Path) -> None:
    text, message = REFUSED[name]
    path = tmp_path / "results.csv"
    path.write_text(text)
    with pytest.raises(RunError, match=re.escape(message)):
        collect_foreign([path], Choices(metric="accuracy") if name.startswith("pandas") else Choices())


def test_summaries_that_are_left_out_are_said(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    path.write_text(lines("model,seed,acc,acc_stderr", "a,1,0.8,0.1", "a,2,0.9,0.1", "a,mean,0.85,"))
    collected = collect_foreign([path], Choices())
    assert collected is not None
    assert len(collected[0].runs) == 2
    assert "Left out, as they summarise: mean, acc_stderr." in collected[2]


def test_repetitions_of_a_cross_validation_have_folds_of_their_own(tmp_path: Path) -> None:
    header = "Key_Dataset,Key_Run,Key_Fold,Key_Scheme,Percent_correct,Kappa_statistic"
    rows = [
        f"iris,{r},{f},weka.{s},9{r + f}.{f},0.9" for s in ("J48", "ZeroR") for r in (1, 2) for f in (1, 2, 3)
    ]
    path = tmp_path / "weka.csv"
    path.write_text(lines(header, *rows))
    collected = collect_foreign([path], Choices())
    assert collected is not None
    (task,) = analyse(collected[0], collected[1]).tasks
    assert task.splits.count == 6
    assert task.splits.overlap == pytest.approx(1 / 2)  # a third is tested, two are trained on


def test_runs_without_a_seed_are_not_paired_by_their_order(tmp_path: Path) -> None:
    path = tmp_path / "sorted.csv"  # by their results: paired, the differences would hardly vary
    values = {"adam": (0.95, 0.9, 0.85, 0.8), "sgd": (0.93, 0.88, 0.83, 0.77)}
    path.write_text(lines("opt,acc", *(f"{opt},{value}" for opt, accs in values.items() for value in accs)))
    collected = collect_foreign([path], Choices())
    assert collected is not None
    (task,) = analyse(collected[0], collected[1]).tasks
    (comparison,) = task.ranking.comparisons.values()
    expected = stats.ttest_ind(*values.values(), equal_var=False)
    assert (comparison.test, comparison.verdict) == ("Welch t", "not significantly different")
    assert comparison.p == pytest.approx(expected.pvalue, rel=0.05)


def test_percentages_have_a_range(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    path.write_text(lines("model,seed,accuracy", "a,0,99.9", "a,1,99.0", "a,2,99.8"))
    collected = collect_foreign([path], Choices())
    assert collected is not None
    (task,) = analyse(collected[0], collected[1]).tasks
    assert task.groups[0].summary.high == 100


def test_data_sets_are_ranked_by_their_own_metrics(tmp_path: Path) -> None:
    path = tmp_path / "glue.csv"
    rows = [
        f"{model},{task},{seed},{metric},0.{8 + (model == 'b')}{seed}"
        for task, metric in (("MRPC", "F1"), ("CoLA", "MCC"), ("SST-2", "accuracy"))
        for model in "ab"
        for seed in (0, 1)
    ]
    path.write_text(lines("model,task,seed,metric,score", *rows))
    collected = collect_foreign([path], Choices())
    assert collected is not None
    datasets = over_datasets(analyse(collected[0], collected[1]))
    assert datasets is not None
    assert {*datasets.metrics.values()} == {"test/F1", "test/MCC", "test/accuracy"}
    assert not datasets.failed


@pytest.mark.parametrize("name", TABLES)
def test_a_table(name: str, tmp_path: Path) -> None:
    table = TABLES[name]
    path = tmp_path / table.file
    content = table.text.encode(table.encoding)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    collected = collect_foreign([path], table.choices)
    assert collected is not None
    sweep, metric, notes = collected
    assert metric_title(metric) == table.metric
    expected = [f"Seed: {table.seed}."] if table.seed else ["Seed: the folds", "Seed: none was found"]
    assert any(sentence in notes[0] for sentence in expected)
    groups: dict[tuple[object, ...], list[float]] = {}
    for run in sweep.runs:
        if metric in run.metrics:
            shown = {name.removeprefix("data."): value for name, value in run.settings.items()}
            key = tuple(shown[setting] for setting in table.settings)
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


def test_a_series_of_pandas_is_a_run(tmp_path: Path) -> None:
    for seed, value in enumerate((0.5, 0.7)):
        (tmp_path / f"2025060{seed + 1}_13405{seed}").mkdir()
        path = tmp_path / f"2025060{seed + 1}_13405{seed}" / "test.csv"
        path.write_text(lines(",0", "model,MLP", f"seed,{seed}", "RMSETrain,0.1", f"RMSETest,{value}"))
    collected = collect_foreign([tmp_path], Choices())
    assert collected is not None
    assert [(run.seed, run.metrics[collected[1]]) for run in collected[0].runs] == [(0, 0.5), (1, 0.7)]
    assert len({run.key for run in collected[0].runs}) == 1


def test_runs_that_are_in_two_files_of_a_folder_count_once(tmp_path: Path) -> None:
    rows = {name: [f"{name},{seed},0.{seed},{seed}.5" for seed in (1, 2)] for name in "ab"}
    for file, names in (("all", "ab"), ("only_a", "a"), ("only_b", "b")):
        text = lines("model,seed,acc,loss", *(row for name in names for row in rows[name]))
        (tmp_path / f"{file}.csv").write_text(text)
    collected = collect_foreign([tmp_path], Choices())
    assert collected is not None
    assert len(collected[0].runs) == 4
    assert any("2 runs of only_a.csv" in note for note in collected[2])


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
