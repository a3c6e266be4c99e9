"""Files of settings beside, and above, the results of one run and of several."""

from __future__ import annotations

from pathlib import Path

import pytest

from abreast.report.readers.foreign_sweep import collect_foreign
from abreast.report.readers.settings import Choices

CURVE = "epoch,val_acc\n0,0.1\n1,0.{}"
PAIRS = [(optimizer, seed) for optimizer in ("adam", "sgd") for seed in (0, 1)]
HYDRA = "defaults:\n- _self_\nlr: 0.5\noptimizer: adam\n"
# Where each run's results are, and the other files.
LAYOUTS: dict[str, tuple[str, str, dict[str, str]]] = {
    "names beside one file": ("{}_seed{}.csv", CURVE, {"config.yaml": "lr: 0.1\n"}),
    "JSON beside one file": ("{}_seed{}.json", '{{"val_acc": 0.{}}}', {"config.yaml": "lr: 0.1\n"}),
    "pairs beside one file": ("optimizer={}_seed{}.csv", CURVE, {"config.json": '{"dataset": "mnist"}'}),
    "defaults in one file": ("optimizer={}_seed{}.csv", CURVE, {"params.yaml": "optimizer: x\nseed: 7\n"}),
    "one file above": ("{}/seed{}.csv", CURVE, {"args.json": '{"lr": 0.1, "seed": null}'}),
    "a table a method": ("{}_{}.csv", "seed,val_acc\n{},0.5", {"config.json": '{"lr": 0.1}'}),
    "a comment in JSON": ("{}_seed{}.csv", CURVE, {"config.json": '{"lr": 0.1, // c\n}'}),
    "damaged YAML": ("{}_seed{}.csv", CURVE, {"config.yaml": "a: [1\n", "params.json": "[]"}),
    "a folder of this name": ("{}_seed{}.csv", CURVE, {"config.json/x.txt": "x", "args.yaml/x.txt": "x"}),
    "a project of Hydra": (
        "runs/{}-{}/log.csv",
        CURVE,
        {"config.yaml": HYDRA}
        | {f"runs/{o}-{s}/.hydra/overrides.yaml": f"- optimizer={o}\n- seed={s}\n" for o, s in PAIRS},
    ),
    "a project's defaults above those of Hydra": (
        "runs/{}-{}/log.csv",
        CURVE,
        {"params.yaml": "lr: 0.5\noptimizer: adam\n"}
        | {f"runs/{o}-{s}/.hydra/overrides.yaml": f"- optimizer={o}\n- seed={s}\n" for o, s in PAIRS},
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_a_name_says_counts_beside_shared_settings(layout: str, tmp_path: Path) -> None:
    name, text, others = LAYOUTS[layout]
    files = {name.format(o, s): text.format(s if "table" in layout else 2 + s) for o, s in PAIRS} | others
    for file, content in files.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(content)
    collected = collect_foreign([tmp_path], Choices())
    assert collected is not None
    runs = collected[0].runs
    assert {run.status for run in runs} == {"finished"}
    if "table" not in layout:
        assert len({run.key for run in runs}) == 2
        assert sorted(run.seed for run in runs if run.seed is not None) == [0, 0, 1, 1]
    assert len({(run.key, run.seed) for run in runs}) == 4
    is_damaged = layout in ("a comment in JSON", "damaged YAML")
    assert any("no settings could be read there" in note for note in collected[2]) == is_damaged


def test_files_of_one_run_tell_no_settings(tmp_path: Path) -> None:
    for seed in (0, 1):
        (tmp_path / f"{seed}").mkdir()
        (tmp_path / f"{seed}" / "config.json").write_text(f'{{"lr": 0.1, "seed": {seed}}}')
        (tmp_path / f"{seed}" / f"2025060{seed + 1}_results{seed}.csv").write_text(CURVE.format(seed))
        (tmp_path / f"{seed}" / "test.json").write_text("{}")
    collected = collect_foreign([tmp_path], Choices())
    assert collected is not None
    assert len({run.key for run in collected[0].runs}) == 1
    assert [run.seed for run in collected[0].runs] == [0, 1]
