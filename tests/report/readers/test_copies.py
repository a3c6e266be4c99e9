"""Files of a folder that repeat a part of another one count once; equal results of other runs stay."""

from __future__ import annotations

from pathlib import Path

import pytest

from abreast.report.readers.foreign_sweep import collect_foreign
from abreast.report.readers.settings import Choices

ROWS = {name: [f"{name},{seed},0.{seed},{seed}.5" for seed in (1, 2)] for name in ("vit", "resnet")}
TIES = "seed,acc,loss\n0,0.9,0.5\n1,0.8,0.6"
ALL = "\n".join(["model,seed,acc,loss", *ROWS["vit"], *ROWS["resnet"]])
VIT = "\n".join(["model,seed,acc,loss", *ROWS["vit"]])
# The files of a folder by name, the runs that they hold and the settings in which these differ.
FOLDERS = {
    "a folder a method": ({"adam/results.csv": TIES, "sgd/results.csv": TIES}, 4, 2),
    "a file a method": ({"adam.csv": TIES, "sgd.csv": TIES}, 4, 2),
    "a method with fewer seeds": ({"adam.csv": f"{TIES}\n2,0.7,0.7", "sgd.csv": TIES}, 5, 2),
    "a folder a run": (
        {f"{o}_seed{s}/results.csv": "acc,f1\n0.9,0.9" for o in ("adam", "sgd") for s in (0, 1)},
        4,
        2,
    ),
    "a file a run": ({f"{o}_seed{s}.csv": "acc,f1\n0.9,0.9" for o in ("a", "b") for s in (0, 1)}, 4, 2),
    "one method of several, of another optimizer": ({"adam.csv": ALL, "sgd_vit.csv": VIT}, 6, 3),
    "one method of several, in another folder": ({"adam/all.csv": ALL, "sgd/vit.csv": VIT}, 6, 3),
    "all, and one method": ({"all.csv": ALL, "only_vit.csv": VIT}, 4, 2),
    "all, and the results of one method": ({"table.csv": ALL, "ViT_results.csv": VIT}, 4, 2),
}


@pytest.mark.parametrize("name", FOLDERS)
def test_equal_results_in_several_files(name: str, tmp_path: Path) -> None:
    files, count, groups = FOLDERS[name]
    for file, text in files.items():
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(text)
    collected = collect_foreign([tmp_path], Choices())
    assert collected is not None
    assert len(collected[0].runs) == count
    assert len({run.key for run in collected[0].runs}) == groups
    assert len({(run.key, run.seed) for run in collected[0].runs}) == count
    assert any("2 runs of" in note for note in collected[2]) == (name.startswith("all"))
