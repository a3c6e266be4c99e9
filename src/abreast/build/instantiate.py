"""One object of the configuration, made by what its `_target_` names."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import hydra.utils
from hydra.errors import InstantiationException
from lightning.fabric.utilities.exceptions import MisconfigurationException

from abreast.config.types import Config
from abreast.errors import AbreastError, ConfigError
from abreast.models import given

GIVEN = "abreast.models.given"
# What targets raise for arguments that they do not take.
REFUSALS = (ValueError, TypeError, AssertionError, RuntimeError, ImportError, MisconfigurationException)


def make(key: str, node: Config, **more: Any) -> Any:
    """Call the node's `_target_`.

    Args:
        key: Where the node stands in the configuration, for messages.
        node: The configuration of one object.
        more: Further arguments, which the configuration does not hold.

    Returns:
        What the target returns.

    Raises:
        ConfigError: The target refuses its arguments. The message names `key`.
    """
    try:
        if node.get("_target_") == GIVEN:
            return _given(node, **more)
        return hydra.utils.instantiate(node, _convert_="all", **more)
    except AbreastError:
        raise
    except Exception as error:  # Hydra wraps some kinds of errors and lets others through
        cause = error.__cause__ if isinstance(error, InstantiationException) else error
        if isinstance(cause, AbreastError):
            raise cause from None
        if isinstance(cause, REFUSALS) or (key == "model" and cause is not None):
            raise ConfigError(f"{key}: {node['_target_']}: {cause}") from error
        raise


def _given(node: Config, **more: Any) -> Any:
    """What was given in Python: Hydra would authorise it by the name of its class, which is the caller's."""
    arguments = {name: value for name, value in node.items() if name not in ("_target_", "_partial_")}
    make_network = partial(given, **arguments, **more)
    return make_network if node.get("_partial_") else make_network()


class Factories:
    """Makes objects as `make` does, but finds the class of equal nodes once, a millisecond of Hydra each."""

    def __init__(self) -> None:
        self._by_node: dict[str, Callable[..., Any]] = {}

    def make(self, key: str, node: Config, **more: Any) -> Any:
        """As `make`. A node with others inside that Hydra makes, too, is made by Hydra each time."""
        text = repr(node)
        if text.count("'_target_'") != 1 or "_partial_" in node:
            return make(key, node, **more)
        if text not in self._by_node:
            self._by_node[text] = make(key, {**node, "_partial_": True})
        try:
            return copy.deepcopy(self._by_node[text])(**more)
        except Exception:  # a refusal, for which `make` has the message
            return make(key, node, **more)
