"""A lane keeps of its test examples what its plain run keeps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from abreast.runs.files import EXAMPLES
from support.helpers import compose


def test_worst_images_of_lanes(both: Callable[..., list[tuple[Path, Path]]]) -> None:
    common = ("trainer=cpu", "logger=none", "callbacks=none", "data=digits", "trainer.max_epochs=1")
    configs = [
        compose(*common, f"loss={loss}", f"seed={seed}") for loss, seed in (("mse", 0), ("cross_entropy", 1))
    ]
    pairs = both(configs)
    kept = [(lane / "worst.json").read_bytes() for lane, _ in pairs]
    assert kept == [(plain / "worst.json").read_bytes() for _, plain in pairs]
    assert kept[0] != kept[1]
    outcomes = [(lane / EXAMPLES).read_bytes() for lane, _ in pairs]
    assert outcomes == [(plain / EXAMPLES).read_bytes() for _, plain in pairs]
    assert outcomes[0] != outcomes[1]
