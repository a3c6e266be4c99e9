"""What a search may not search over: repeats of one setting, such as seeds."""

from __future__ import annotations

from collections.abc import Iterator

from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig

from abreast.validation.preflight import sweep_overrides_of

SEARCHES = ("abreast_search", "optuna")  # options of hydra/sweeper
REPEATS = ("seed", "data.split_seed", "data.fold")


def check_search_space(config: DictConfig) -> Iterator[str]:
    """A message for each repeat that a search would choose from, as if it were a setting."""
    sweeper = config.hydra.runtime.choices.get("hydra/sweeper")
    if sweeper not in SEARCHES:
        return
    parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())
    for override in parser.parse_overrides(sweep_overrides_of(config)):
        key = override.get_key_element().lstrip("+")
        if override.is_sweep_override() and key in REPEATS:
            yield (
                f"{override.input_line}: a search (hydra/sweeper={sweeper}) would choose the luckiest {key}. "
                f"Leave it out, and repeat the best settings: python train.py -m BEST_SETTINGS {key}=0,1,2; "
                "or let a study tune and repeat: python train.py -m +study=loss_x_optim"
            )
