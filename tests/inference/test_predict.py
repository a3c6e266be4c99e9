"""Classes and probabilities of files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from abreast.cli.predict import main
from abreast.data.sklearn_digits import digits
from abreast.errors import DataError
from abreast.inference.load import rebuild, reopened
from abreast.inference.predict import predict, read_inputs
from abreast.learner.module import Learner


def learner_of(path: Path) -> Learner:
    with reopened(path) as (directory, config):
        return rebuild(directory, config)  # type: ignore[return-value]


@pytest.fixture
def digits_run(train: Callable[..., Path]) -> Path:
    return train("trainer.max_epochs=10", "optim.lr=0.003")


def test_pictures_of_the_test_rows_give_the_tests_classes(digits_run: Path, tmp_path: Path) -> None:
    learner, split = learner_of(digits_run), digits().test
    hits = 0
    for number in range(40):
        pixels = (split.inputs[number, 0].numpy() * (255 / 16)).round().astype("uint8")
        Image.fromarray(pixels).save(tmp_path / "digit.png")
        inputs = read_inputs(tmp_path / "digit.png", learner)
        assert torch.equal(inputs[0], split.inputs[number])
        Image.fromarray(255 - pixels).convert("RGB").save(tmp_path / "paper.png")
        assert torch.equal(read_inputs(tmp_path / "paper.png", learner, invert=True), inputs)
        chances = predict(learner, inputs)[0]
        assert chances.sum().item() == pytest.approx(1, abs=1e-5)
        hits += int(chances.argmax() == split.targets[number])
    assert hits >= 34


def test_the_command(digits_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("L", (64, 64)).save(tmp_path / "a.png")
    Image.new("RGBA", (5, 7)).save(tmp_path / "b.gif")
    files = [str(tmp_path / "a.png"), str(tmp_path / "b.gif")]
    more = ["--top", "2", "--fit", "crop", "--background", "white", "--show", str(tmp_path / "seen.png")]
    assert main([str(digits_run), *files, *more]) == 0
    with Image.open(tmp_path / "seen.png") as seen:
        assert seen.size == (192, 96)  # two pictures of 8 x 8 pixels, 12 times as large
        assert [seen.getpixel((x, 48)) for x in (48, 144)] == [0, 255]
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert all(len(line.split()) >= 5 for line in lines[1:])  # a file, two classes, two probabilities


def test_rows_of_features(train: Callable[..., Path], tmp_path: Path) -> None:
    learner = learner_of(train("data=random_regression", "loss=mse", "trainer.max_epochs=1"))
    (features,) = learner.in_shape
    rows = np.random.default_rng(0).normal(size=(3, features)).astype("float32")
    np.save(tmp_path / "rows.npy", rows)
    np.savetxt(tmp_path / "rows.csv", rows, delimiter=",", fmt="%.9g")
    expected = learner(torch.from_numpy(rows))
    for name in ("rows.npy", "rows.csv"):
        assert torch.equal(predict(learner, read_inputs(tmp_path / name, learner)), expected)
    np.save(tmp_path / "wide.npy", np.zeros((2, features + 1)))
    with pytest.raises(DataError, match=rf"wide\.npy: rows of shape \({features + 1},\)"):
        read_inputs(tmp_path / "wide.npy", learner)


@pytest.mark.parametrize("content", [None, b"", b"no picture", b"\x89PNG\r\n\x1a\n broken"])
def test_what_is_no_picture_is_named(content: bytes | None, digits_run: Path, tmp_path: Path) -> None:
    path = tmp_path / "bad.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"bad\.png: n"):
        read_inputs(path, learner_of(digits_run))
