"""Names that only tell runs apart, and names that are the method."""

from __future__ import annotations

from pathlib import Path

import pytest

from abreast.report.readers.foreign_sweep import collect_foreign
from abreast.report.readers.settings import Choices


@pytest.mark.parametrize(
    ("names", "is_method"),
    [
        (["base_4bit", "tuned_4bit", "base_8bit", "tuned_8bit"], True),
        (["résumé", "CLIP", "DINO", "MAE"], True),
        (["conf/a.yaml", "conf/b.yaml", "conf/c.yaml", "conf/d.yaml"], True),
        (["run-1", "run-2", "run-3", "run-4"], False),
        (["fluffy-cloud-1", "dry-sea-2", "wise-owl-30", "red-fox-4"], False),
        (["0a1b2c3d", "1a1b2c3d", "2a1b2c3d", "3a1b2c3d"], False),
    ],
)
def test_names_without_a_seed(names: list[str], is_method: bool, tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    path.write_text(
        "\n".join(["run,bits,acc", *(f"{n},{4 + 4 * (i > 1)},0.{i}" for i, n in enumerate(names))])
    )
    collected = collect_foreign([path], Choices())
    assert collected is not None
    assert len({run.key for run in collected[0].runs}) == (4 if is_method else 2)


@pytest.mark.parametrize("repeated", [False, True])
def test_paths_of_what_a_run_wrote_are_no_settings(repeated: bool, tmp_path: Path) -> None:
    rows = [f"{o},{s},C:\\runs\\{o} {s}.ckpt,0.{s}" for o in ("adam", "sgd") for s in range(6)]
    path = tmp_path / "results.csv"
    path.write_text("\n".join(["optimizer,seed,best_checkpoint,acc", *rows, *rows[:repeated]]))
    collected = collect_foreign([path], Choices())
    assert collected is not None
    assert len({run.key for run in collected[0].runs}) == 2


def test_files_and_sentences_beside_settings_are_none(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    rows = [f"{n}.5,plots/{n}.png,models\\{n}.pt,{'the answer ' * 9}{n},0.{n}" for n in range(4)]
    path.write_text("\n".join(["lambda,plot,model_path,answer,test_acc", *rows]))
    collected = collect_foreign([path], Choices())
    assert collected is not None
    assert {*collected[0].varied} == {"lambda"}


def test_a_name_that_others_tell_is_no_setting(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    rows = [
        f"{m}_{a},{m},{a},0.{i}" for i, (m, a) in enumerate([("r", "x"), ("r", "y"), ("v", "x"), ("v", "y")])
    ]
    path.write_text("\n".join(["experiment,model,activation,acc", *rows]))
    collected = collect_foreign([path], Choices())
    assert collected is not None
    assert {*collected[0].varied} == {"model", "activation"}


LONG = "Answer the question, and think very carefully about each of the premises that are given"
# The header and the rows of a table, and how many groups of runs it holds.
TABLES = {
    "prompts": ("prompt;acc", [f"{LONG} {n}.;0.{n}" for n in (1, 2, 3)], 3),
    "sentences alone": ("setup;acc", [f"{LONG} {n}.;0.{n}" for n in (1, 2, 3)], 3),
    "two sentences": ("setup;why;acc", [f"{LONG} {n}.;{n} {LONG};0.{n}" for n in (1, 2, 3)], 3),
    "prompts beside a seed": (
        "prompt;seed;acc",
        [f"{LONG} {n}.;{s};0.{n}" for n in (1, 2, 3) for s in (0, 1)],
        3,
    ),
    "prompts beside what recurs": ("prompt;t;acc", [f"{LONG} {n}.;{n // 2};0.{n}" for n in range(4)], 4),
    "messages beside what recurs": ("message;t;acc", [f"{LONG} {n}.;{n // 2};0.{n}" for n in range(4)], 2),
    "numbered networks": ("model;lr;acc", ["resnet18;1;0.1", "resnet34;1;0.2", "resnet50;2;0.3"], 3),
    "networks in words": (
        "config.arch;lr;acc",
        ["vit-base-16;1;0.1", "vit-big-16;1;0.2", "vit-xl-14;2;0.3"],
        3,
    ),
    "numbered optimizers": ("OptimizerName;lr;acc", ["adam1;1;0.1", "adam2;1;0.2", "adam3;2;0.3"], 3),
    "methods with one seed": ("method;lr;seed;acc", ["a;1;0;0.1", "b;1;0;0.2", "c;2;0;0.3"], 3),
    "numbered runs": ("name;lr;acc", ["run18;1;0.1", "run34;1;0.2", "run50;2;0.3"], 2),
    "hashes": ("model;lr;acc", ["0a1b2c3d;1;0.1", "1a1b2c3d;1;0.2", "2a1b2c3d;2;0.3"], 2),
    "names beside seeds": ("name;lr;seed;acc", ["x;1;0;0.1", "y;1;1;0.2", "z;2;0;0.3", "u;2;1;0.3"], 2),
}


@pytest.mark.parametrize("name", TABLES)
def test_methods_count_and_names_do_not(name: str, tmp_path: Path) -> None:
    header, rows, groups = TABLES[name]
    path = tmp_path / "results.csv"
    path.write_text("\n".join([header, *rows]).replace(",", " ").replace(";", ","))
    collected = collect_foreign([path], Choices())
    assert collected is not None
    assert len(collected[0].runs) == len(rows)
    assert len({run.key for run in collected[0].runs}) == groups
