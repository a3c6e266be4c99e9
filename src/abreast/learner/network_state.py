"""Loading what a learner's `state_dict` returned, for networks that decide themselves what is in it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, cast

from torch import nn

from abreast.errors import RunError
from abreast.learner.attribute_state import ATTRIBUTES, AttributeState
from abreast.suggestions import listed

SHOWN = 4  # names in a message


def load_state(
    module: nn.Module,
    state: Mapping[str, Any],
    net: nn.Module,
    attributes: AttributeState | None,
    *,
    assign: bool = False,
) -> Any:
    """Load a module's state as `torch.nn.Module.load_state_dict` does, and the attributes of its network.

    What the network itself leaves out of its state, such as a frozen part that its `__init__` makes, may be
    missing: it stays as it is.

    Args:
        module: Holds the network, and perhaps more.
        state: What the module's `state_dict` returned.
        net: The network.
        attributes: The network's attributes as they were when it was built; None where they are not saved.
        assign: As in torch.

    Returns:
        torch's lists of missing and unexpected keys.

    Raises:
        RunError: The state is one of another network.
    """
    weights = cast("dict[str, Any]", copy.copy(state))  # with the versions of its modules, if it has them
    changed = weights.pop(ATTRIBUTES, None) or {}
    if changed and attributes is None:
        raise RunError("the checkpoint holds attributes, which this network does not save")
    try:
        result = nn.Module.load_state_dict(module, weights, strict=False, assign=assign)
    except RuntimeError as error:
        raise RunError(f"the weights do not fit the network: {' '.join(str(error).split())}") from error
    unexpected, missing = result.unexpected_keys, result.missing_keys
    if missing:
        kept = module.state_dict().keys()
        missing = [key for key in missing if key in kept]
    for what, keys in (("lack", missing), ("have", unexpected)):
        if keys:
            more = f" and {len(keys) - SHOWN} more" if len(keys) > SHOWN else ""
            raise RunError(
                f"the weights do not fit the network: they {what} {listed(sorted(keys)[:SHOWN])}{more}"
                + ", which it does not have" * (what == "have")
            )
    if attributes is not None:
        attributes.restore(net, changed)
    return result
