"""Augmentation: what each kind does, and that it is a function of seed, epoch and mini-batch alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torchvision.transforms import functional as reference

from abreast.data.augment import Augment
from abreast.errors import ConfigError
from support.resuming import check_equal, stop_and_go_on

IMAGES = torch.randint(1, 256, (64, 2, 9, 7), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_a_shift_moves_whole_pixels_and_fills_up_with_black() -> None:
    shifted = Augment(shift=2)(IMAGES, 1.0, seed=3, epoch=1, batch=5)
    moves = set()
    for image, moved in zip(IMAGES.float(), shifted, strict=True):
        fits = [
            (down, right)
            for down in range(-2, 3)
            for right in range(-2, 3)
            if torch.equal(moved, reference.affine(image, 0.0, [right, down], 1.0, [0.0]))
        ]
        assert len(fits) == 1
        moves.add(fits[0])
    assert len(moves) > 15  # of 25


def test_a_flip_mirrors_some() -> None:
    flipped = Augment(flip=0.5)(IMAGES, 1.0, seed=3, epoch=1, batch=5)
    is_same = [torch.equal(a, b) for a, b in zip(IMAGES.float(), flipped, strict=True)]
    is_mirrored = [torch.equal(a.flip(2), b) for a, b in zip(IMAGES.float(), flipped, strict=True)]
    assert all(same or mirrored for same, mirrored in zip(is_same, is_mirrored, strict=True))
    assert 16 < sum(is_mirrored) < 48
    assert torch.equal(Augment(flip=1.0)(IMAGES, 1.0, 0, 0, 0), IMAGES.float().flip(3))


def test_an_affine_map_is_torchvisions() -> None:
    """Of known angle and scale: those of the only image whose draws are found again."""
    from abreast.data.augment import _affine

    angle, scale, lean = torch.tensor([0.3]), torch.tensor([1.2]), torch.tensor([0.2])
    mine = _affine(IMAGES[:1].float(), angle, scale, lean)
    theirs = reference.affine(
        IMAGES[:1].float(),
        -float(angle.rad2deg()),
        [0, 0],
        1.2,
        [float(lean.rad2deg()), 0.0],
        reference.InterpolationMode.BILINEAR,
    )
    inside = slice(2, -2)
    torch.testing.assert_close(mine[..., inside, inside], theirs[..., inside, inside], rtol=0, atol=2.0)
    same = _affine(IMAGES.float(), torch.zeros(64), torch.ones(64), torch.zeros(64))
    torch.testing.assert_close(same, IMAGES.float(), rtol=0, atol=1e-3)


def test_noise_is_in_units_of_the_deviation() -> None:
    rows = torch.zeros(4000, 3)
    noisy = Augment(noise=0.5)(rows, torch.tensor([2.0, 10.0, torch.inf]), 0, 0, 0)
    assert noisy.std(0).tolist() == pytest.approx([1.0, 5.0, 0.0], rel=0.05)
    assert torch.equal(rows, torch.zeros(4000, 3))


def test_draws_are_of_seed_epoch_and_mini_batch() -> None:
    augment = Augment(flip=0.5, rotate=20, scale=0.1, shift=2, noise=0.1)
    torch.manual_seed(1)
    first = augment(IMAGES, 1.0, 1, 2, 3)
    torch.manual_seed(2)
    assert torch.equal(first, augment(IMAGES, 1.0, 1, 2, 3))
    for other in ((0, 2, 3), (1, 0, 3), (1, 2, 0)):
        assert not torch.equal(first, augment(IMAGES, 1.0, *other))


@pytest.mark.parametrize(
    ("settings", "shape", "message"),
    [
        ({"shfit": 2}, (1, 8, 8), r"data\.augment\.shfit: is unknown; .*Did you mean shift\?"),
        ({"shift": 1.5}, (1, 8, 8), r"data\.augment\.shift=1\.5 must be a whole number from 0"),
        ({"flip": 2}, (1, 8, 8), r"data\.augment\.flip=2 must be a number from 0 to 1"),
        ({"noise": "x"}, (1, 8, 8), r"data\.augment\.noise='x' must be a number"),
        ({"cutmix": 1}, (30,), r"data\.augment\.cutmix: needs images, but inputs are of shape \[30\]"),
        ({"mixup": -1}, (1, 8, 8), r"data\.augment\.mixup=-1 must be a number from 0"),
        ({"shift": 1}, (30,), r"data\.augment\.shift: needs images, but inputs are of shape \[30\]"),
    ],
)
def test_mistakes(settings: Any, shape: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Augment.from_config(settings, shape)
    assert Augment.from_config({}, shape) is None
    assert Augment.from_config({"noise": 0.0}, (3,)) is None


def test_a_run_resumes_bitwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from support.resuming import begin

    noise = ("data.augment={noise:0.5,mixup:0.4}", "data.pca=9")
    whole = begin(tmp_path / "whole", *noise)
    check_equal(whole, stop_and_go_on(tmp_path / "stopped", 13, monkeypatch, *noise))
    plain = begin(tmp_path / "plain", *noise, "steps_per_execution=1")
    weights: Callable[[Path], Any] = lambda run: torch.load(run / "checkpoints" / "last.ckpt")["state_dict"]  # noqa: E731
    assert all(
        torch.equal(a, b) for a, b in zip(weights(whole).values(), weights(plain).values(), strict=True)
    )
