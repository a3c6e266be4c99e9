"""The overrides of a sweep and of its jobs, as far as they say what Hydra composes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from omegaconf import DictConfig, OmegaConf

SWEEP_DIR = "hydra.sweep.dir="


def of_sweep(master: DictConfig) -> tuple[str, ...]:
    """What is composed for every job of a sweep: the file, and overrides of Hydra's part."""
    hydra = master.hydra
    overrides = OmegaConf.to_container(hydra.overrides.hydra, resolve=False) or ()
    return (str(hydra.job.config_name), *map(str, overrides))


def before(master: DictConfig) -> tuple[str, ...]:
    """As `of_sweep`, before the sweep's directory was chosen."""
    sweep = of_sweep(master)
    return sweep[:-1] if sweep[-1].startswith(SWEEP_DIR) else sweep


def sweep_key(sweep: tuple[str, ...], overrides: Sequence[str]) -> tuple[str, ...]:
    """What the config of a sweep with these overrides depends on."""
    return (*sweep, "", *overrides)


def written(options: Mapping[str, str], others: Sequence[str]) -> list[str]:
    """The overrides that choose an option of each group, then others."""
    return [*(f"{group}={option}" for group, option in options.items()), *others]


def meet(one: str, other: str) -> bool:
    """Whether one of two keys is the other or holds it."""
    return f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}.")
