"""Every kind of data from its files to predictions for raw input; a wrong input is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from abreast.cli.export import main as export
from abreast.cli.predict import main as predict
from abreast.errors import AbreastError
from abreast.inference.evaluate import evaluate
from abreast.inference.load import rebuild, reopened
from abreast.inference.predict import predict as probabilities
from abreast.inference.predict import read_inputs
from abreast.runs.directory import RunDirectory
from abreast.runtime.downloads import downloads
from abreast.training.run import run
from support.data_kinds import CIFAR, CIFAR_CLASSES, KINDS, cifar10, fashion_mnist, picture_of, pictures
from support.helpers import allowed, compose
from support.resuming import check_equal, stop_and_go_on

Train = Callable[..., Path]
CIFAR10 = ("data=torchvision", "data.name=CIFAR10")
TRUE_SIZE = pytest.param(10_000, 3, marks=pytest.mark.long)
SMALL = ("trainer.max_epochs=2", "data.batch_size=16", "model.hidden=[4]", "steps_per_execution=4")


def small(overrides: list[str]) -> list[str]:
    """The overrides of a small run."""
    return [o for o in SMALL if o != "model.hidden=[4]" or "model=cnn" not in overrides] + overrides


@pytest.mark.parametrize("name", KINDS)
def test_from_files_to_predictions(
    name: str,
    tmp_path: Path,
    train: Train,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COLUMNS", "400")  # a line for each prediction
    kind = KINDS[name](tmp_path)
    path = train(*small(kind.overrides))
    expected = RunDirectory(path).read_result()["metrics"]
    tested = evaluate(path, trust=[str(tmp_path)])
    assert tested == {key: value for key, value in expected.items() if key.startswith("test/")}
    capsys.readouterr()
    assert predict([str(path), str(kind.raw), "--top", "9"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert len(lines) == 1 + kind.examples  # a header, and a line for each example
    wrong, message = kind.wrong
    with pytest.raises(AbreastError, match=message):
        predict([str(path), str(wrong)])
    broken, message = kind.broken
    with allowed(), pytest.raises(AbreastError, match=message):
        run(compose("trainer=cpu", "logger=none", "callbacks=none", *broken), tmp_path / "broken")


@pytest.mark.network_server
@pytest.mark.parametrize(
    ("size", "limit"),
    [(10, 1.0), pytest.param(10_000, 3, marks=pytest.mark.long)],
    ids=["small", "true size"],
)
def test_cifar10_and_fashion_mnist_from_a_server(
    size: int, limit: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Any, train: Train
) -> None:
    server.files[CIFAR] = cifar10(size, monkeypatch)
    server.files |= fashion_mnist(6 * size, size, monkeypatch)
    common = (
        *SMALL[:2],
        f"data.dir={tmp_path}/data",
        f"data.mirrors={server.url}",
        f"trainer.limit_train_batches={limit}",
    )
    for name, shape, options in (
        (
            "cifar",
            (32, 32, 3),
            ("data=torchvision", "data.name=CIFAR10", "model.hidden=[8]", "data.normalize=channels"),
        ),
        ("fashion", (28, 28), ("data=fashion_mnist", "model.hidden=[8]")),
    ):
        with downloads(True):
            path = train(*common, *options, name=name)
        asked = len(server.asked)
        result = RunDirectory(path).read_result()
        tested = evaluate(path, trust=[str(tmp_path)])
        assert tested == {key: v for key, v in result["metrics"].items() if key.startswith("test/")}
        assert len(server.asked) == asked  # the files are there, and are those of the checksums
        with reopened(path, reads_data=False) as (directory, config):
            learner = rebuild(directory, config)
        picture = picture_of(tmp_path / f"{name}.png", pictures(10, shape, seed=7)[0][9])
        assert probabilities(learner, read_inputs(picture, learner)).shape == (1, 10)
        assert len(learner.classes) == 10
        assert result["metrics"].keys() >= {f"test/accuracy/{c}" for c in learner.classes}
    assert learner.classes[0] == "T-shirt/top"
    assert evaluate(tmp_path / "cifar", trust=[str(tmp_path)]).keys() >= {
        f"test/accuracy/{c}" for c in CIFAR_CLASSES
    }


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # inside torch's and onnx's exporters
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("more", [(), ("data.pca=3",), ("data.augment={noise:0.1,mixup:0.4}", "ema=0.9")])
@pytest.mark.parametrize("name", KINDS)
def test_exported_and_resumed(
    name: str, more: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, train: Train
) -> None:
    pytest.importorskip("onnxruntime", reason="pip install 'abreast[export]'")
    kind = KINDS[name](tmp_path)
    if "data.pca=3" in more and "model=cnn" in kind.overrides:
        pytest.skip("principal components are no image")
    overrides = [*small(kind.overrides), *more]
    path = train(*overrides)
    assert export([str(path), "--to", str(tmp_path / "out"), "--trust", str(tmp_path)]) == 0

    def start(folder: Path, *_: str) -> Path:
        return train(*overrides, name=folder.name)

    steps = int(RunDirectory(path).read_metrics()[-1]["step"])
    check_equal(path, stop_and_go_on(tmp_path / "stopped", steps // 2, monkeypatch, start=start))
