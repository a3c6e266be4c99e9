"""Folders of images of any size and mode, a folder for each class."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from abreast.cli.predict import main as predict
from abreast.data.image_folder import images
from abreast.errors import DataError
from abreast.inference.evaluate import evaluate
from abreast.runs.directory import RunDirectory


def picture(number: int, colour: tuple[int, int, int], size: tuple[int, int]) -> Image.Image:
    noise = np.random.default_rng(number).integers(-20, 21, (size[1], size[0], 3))
    return Image.fromarray((np.array(colour) + noise).clip(0, 255).astype(np.uint8))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """20 pictures of each of two classes: of many sizes, formats and modes."""
    for name, colour in (("red", (200, 40, 40)), ("blue", (40, 40, 200))):
        (tmp_path / "set" / name / "more").mkdir(parents=True)
        for number in range(20):
            image = picture(number, colour, (20 + number, 24))
            suffix = ("png", "jpg", "bmp", "gif", "webp")[number % 5]
            place = tmp_path / "set" / name / ("more" if number % 7 == 0 else "") / f"{number}.{suffix}"
            image.save(place)
    (tmp_path / "set" / "red" / ".hidden").write_text("x")
    (tmp_path / "set" / "red" / "Thumbs.db").write_text("x")
    return tmp_path / "set"


def test_classes_are_the_folders(folder: Path) -> None:
    source = images(folder, size=8)
    assert source.classes == ("blue", "red")
    assert not source.official_test
    assert source.pool.inputs.shape == (40, 3, 8, 8)
    means = source.pool.inputs.float().mean((2, 3))
    for target, mean in zip(source.pool_targets.tolist(), means, strict=True):
        assert torch.allclose(mean, torch.tensor([(40.0, 40.0, 200.0), (200.0, 40.0, 40.0)][target]), atol=8)
    assert images(folder, size=8, channels=1).pool.inputs.shape == (40, 1, 8, 8)


def test_grey_images_and_a_test_folder(folder: Path) -> None:
    for part in ("train", "test"):
        for name, level in (("dark", 30), ("light", 220)):
            (folder / part / name).mkdir(parents=True)
            for number in range(3):
                Image.new("L", (9, 5), level + number).save(folder / part / name / f"{number}.png")
    source = images(folder, size=4)
    assert source.official_test
    assert source.train.inputs.shape == (6, 1, 4, 4)
    assert source.test.inputs[:, 0, 0, 0].tolist() == [30, 31, 32, 220, 221, 222]


@pytest.mark.parametrize(
    "names", [("train", "val"), ("Train", "Test"), ("seg_train", "seg_test"), ("training", "testing")]
)
def test_parts_are_not_classes(names: tuple[str, ...], folder: Path) -> None:
    for name in names:
        shutil.copytree(folder, folder.parent / "parts" / name)
    with pytest.raises(
        DataError, match=rf"has the folders .*{names[0]}.*, which are parts of the data and not"
    ):
        images(folder.parent / "parts")


def test_folders_that_only_sound_like_parts(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    shutil.copytree(folder / "red", folder / "train")  # the vehicle
    (folder / "__MACOSX" / "red").mkdir(parents=True)
    assert images(folder, size=4).classes == ("blue", "red", "train")
    for part in ("train", "val", "test"):
        shutil.copytree(folder, folder.parent / "parts" / part)
    assert len(images(folder.parent / "parts", size=4).train) == 60
    assert [record.getMessage().rpartition("parts/")[2] for record in caplog.records] == [
        "val: is left out; images to validate on are drawn from train"
    ]


def test_trained_tested_and_predicted(
    folder: Path, train: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    run = train("data=images", f"data.dir={folder}", "data.size=8", "trainer.max_epochs=20", "optim.lr=0.01")
    metrics = RunDirectory(run).read_result()["metrics"]
    assert metrics["test/accuracy"] == 1
    assert evaluate(run, trust=[str(folder)])["test/loss"] == metrics["test/loss"]
    capsys.readouterr()
    assert predict([str(run), str(folder / "red" / "8.gif"), "--fit", "crop", "--top", "1"]) == 0
    assert "red" in capsys.readouterr().out


def test_what_is_wrong_is_named(folder: Path) -> None:
    (folder / "red" / "99.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"red/99\.png: not a picture that can be read"):
        images(folder)
    (folder / "red" / "99.png").unlink()
    Image.new("RGBA", (9, 9), (0, 0, 0, 9)).save(folder / "red" / "9.png")
    with pytest.raises(DataError, match=r"red/9\.png: has transparent pixels.* data\.background=white"):
        images(folder)
    assert len(images(folder, background="white").pool_targets) == 41
    (folder / "green").mkdir()
    with pytest.raises(DataError, match=r"green: holds no image"):
        images(folder)
    with pytest.raises(DataError, match=r"more: has the classes \(none\)"):
        images(folder / "red" / "more")
    with pytest.raises(DataError, match=r"nowhere: no such folder"):
        images(folder / "nowhere")
