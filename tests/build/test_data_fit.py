"""What does not fit the classes of data that only their files tell is found before a run has a directory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import abreast.build.data
from abreast.build.data_fit import FitCheck
from abreast.config.types import Config
from abreast.data.source import Source
from abreast.errors import ConfigError, DataError
from support.command_line import run_all
from support.helpers import compose

ROWS = [f"{3 * n},{n * n},{'abc'[n % 3]}" for n in range(30)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table, arrays and images of three classes."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "t.csv").write_text("\n".join(["a,b,y", *ROWS]))
    (folder / "broken.csv").write_text("\n".join(["a,b,y", *ROWS, "1,2"]))
    np.savez(folder / "t.npz", x=np.random.default_rng(0).random((30, 2)), y=np.arange(30) % 3)
    for number in range(6):
        path = folder / "images" / "abc"[number % 3] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 4), 40 * number).save(path)
    return folder


DATA = {
    "table": ["data=table", "data.file=t.csv", "data.target=y"],
    "npz": ["data=npz", "data.file=t.npz"],
    "images": ["data=images", "data.dir=images", "data.size=4"],
}
MISTAKES = {
    "weight": (
        ["loss.criterion.weight=[1,2]"],
        "CrossEntropyLoss's weight has shape [2]: give 3, one number",
    ),
    "pos_weight": (["loss=bce", "loss.criterion.pos_weight=[1,2,3,4]"], "pos_weight has shape [4]: give 3"),
    "alpha": (["loss=focal", "loss.criterion.alpha=[1,2]"], "Focal's alpha has shape [2]: give 3"),
    "top5": (["metrics=top5"], "metrics.top5: abreast.metrics.TopKAccuracy: k=5 of 3 classes"),
}


def test_nothing_is_written(folder: Path) -> None:
    pairs = [("table", name) for name in MISTAKES] + [
        ("npz", "weight"),
        ("images", "weight"),
        ("images", "top5"),
    ]
    rows = [[*DATA[data], *MISTAKES[name][0], "hydra.run.dir=run"] for data, name in pairs]
    sweep = ["-m", *DATA["table"], "loss.criterion.weight=[1,2],[1]", "hydra.sweep.dir=sweep"]
    broken = ["data=table", "data.file=broken.csv", "data.target=y", "metrics=auroc", "hydra.run.dir=run"]
    outcomes = run_all([(folder, row) for row in (*rows, sweep, broken)])
    messages = [MISTAKES[name][1] for _, name in pairs]
    messages += ["loss.criterion.weight=[1]: CrossEntropyLoss's weight has shape [1]", "row 32: has 2 values"]
    for outcome, message in zip(outcomes, messages, strict=True):
        assert outcome.code == 2, outcome.err
        assert message in outcome.err
    assert not (folder / "run").exists()
    assert not (folder / "sweep").exists()


def test_each_data_set_is_read_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    build = abreast.build.data.build_source

    def counted(cfg: Config) -> Source:
        calls.append(cfg["data"]["file"])
        return build(cfg)

    monkeypatch.setattr(abreast.build.data, "build_source", counted)
    monkeypatch.chdir(folder)
    fits = FitCheck()
    for weight, error in (("[1,2,3]", None), ("[1,2]", ConfigError), ("[3,2,1]", None)):
        for file, seed in (("t.csv", 0), ("t.csv", 1)):
            cfg = compose(
                *DATA["table"], f"data.file={file}", f"loss.criterion.weight={weight}", f"seed={seed}"
            )
            if error is None:
                fits.check_plain(cfg)
            else:
                with pytest.raises(error):
                    fits.check_plain(cfg)
    assert len(calls) == 1
    fits.check_plain(compose(*DATA["table"], "data.file=broken.csv"))  # nothing depends on its classes
    with pytest.raises(DataError):
        fits.check_plain(compose(*DATA["table"], "data.file=broken.csv", "metrics=auroc"))
