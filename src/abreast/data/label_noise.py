"""Label noise: training labels replaced by wrong ones, for studies of robustness."""

from __future__ import annotations

import torch
from torch import Tensor

from abreast.data.split import generator
from abreast.errors import ConfigError


def replace_labels(
    targets: Tensor, share: float, classes: int, seed: int, ignore_index: int | None = None
) -> Tensor:
    """Class indices `[N]`, int64, of which `round(share * N)` are replaced by another class, evenly drawn.

    A pure function of the arguments. What a smaller share replaces, a larger one replaces as well, by the
    same wrong class.

    Args:
        targets: The labels, int64 `[N]`; left as they are.
        share: The share to replace, from 0 to 1.
        classes: The number of classes.
        seed: Draws the labels and the wrong classes.
        ignore_index: A label that stays and does not count.

    Raises:
        ConfigError: The share is out of its range, or there is no other class.
    """
    if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 <= share <= 1:
        raise ConfigError(f"label_noise={share!r} must be a number from 0 to 1: the share of wrong labels.")
    if share > 0 and targets.is_floating_point():
        raise ConfigError(f"label_noise={share}: these targets are not classes; leave it at 0")
    if share > 0 and classes < 2:
        raise ConfigError(
            f"label_noise={share}: one class leaves nothing to replace labels with; set data.label_noise=0"
        )
    labelled = torch.arange(len(targets))
    if ignore_index is not None:
        labelled = labelled[targets != ignore_index]
    random = generator(seed, "label noise")
    order = labelled[torch.randperm(len(labelled), generator=random)]
    steps = torch.randint(1, max(classes, 2), (len(labelled),), generator=random)
    count = round(share * len(labelled))
    replaced = targets.clone()
    replaced[order[:count]] = (targets[order[:count]] + steps[:count]) % classes
    return replaced
