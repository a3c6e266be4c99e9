"""Data of the shapes of digits and MNIST, made by numpy, and the networks that are measured on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

SHAPES = {"digits": (1797, 8), "mnist": (20_000, 28)}  # images, height and width
NETS: dict[str, tuple[str, ...]] = {
    "784-256-10": ("mnist", "model.hidden=[256]", "data.batch_size=128"),
    "64-32-10": ("digits", "model.hidden=[32]", "data.batch_size=32"),
    "batch norm": ("mnist", "model.hidden=[64,128,64]", "model.norm=batch", "data.batch_size=128"),
    "2c2d": ("mnist", "model=cnn", "data.batch_size=128"),
}
RATES = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.01)


def write(folder: Path, *, tiny: bool) -> None:
    """Write `digits.npz` and `mnist.npz`: noisy copies of a random image for each of ten classes, uint8."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (count, side) in SHAPES.items():
        if (folder / f"{name}.npz").exists():
            continue
        random = np.random.default_rng(0)
        labels = random.integers(0, 10, 600 if tiny else count)
        means = random.uniform(40, 215, (10, side, side))
        images = means[labels] + random.normal(0, 60, (len(labels), side, side))
        pixels = images.clip(0, 255).astype(np.uint8)
        np.savez(folder / f"{name}.npz", x=pixels, y=labels)


def overrides(net: str, folder: Path, device: str) -> list[str]:
    """What the command line says for a network and its data."""
    data, *more = NETS[net]
    accelerator = "gpu" if device == "cuda" else "cpu"
    return ["data=npz", f"data.file={folder / data}.npz", f"trainer.accelerator={accelerator}", *more]


def configs(net: str, lanes: int, folder: Path, device: str, *more: str) -> list[dict[str, Any]]:
    """The runs of a sweep of 8 learning rates and as many seeds as it takes, as resolved configurations."""
    import copy

    from hydra import compose, initialize_config_dir
    from omegaconf import OmegaConf

    from abreast.config.options import MAIN, conf_dir

    quiet = ("logger=none", "callbacks=none", *more)
    with initialize_config_dir(str(conf_dir())):
        base: Any = OmegaConf.to_container(
            compose(MAIN, overrides=[*overrides(net, folder, device), *quiet]), resolve=True
        )
    runs = []
    for lane in range(lanes):
        run = copy.deepcopy(base)
        run["seed"], run["optim"]["lr"] = lane // len(RATES), RATES[lane % len(RATES)]
        runs.append(run)
    return runs
