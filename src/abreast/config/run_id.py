"""What makes a run this run and no other: its configuration, less what cannot change its result. No torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from abreast.config.targets import OURS, targets
from abreast.static.modules import file_of

# Where things are, what watches the run, and how its steps are executed: the weights are the same to the bit.
IDLE = ("logger", "names", "sweep", "steps_per_execution")
IDLE_DATA = ("dir", "mirrors")
IDLE_TRAINER = ("log_every_n_steps", "default_root_dir")
WATCHERS = ("abreast.callbacks.Progress", "abreast.callbacks.TestImages")


def run_id(config: Mapping[str, Any]) -> str:
    """Ten hexadecimal digits for a resolved configuration: runs that must come to the same have the same.

    The source of classes and functions of one's own counts too, as far as it stands in the file that defines
    them.
    """
    kept = {key: value for key, value in config.items() if key not in IDLE}
    kept["data"] = {key: value for key, value in config["data"].items() if key not in IDLE_DATA}
    kept["trainer"] = {key: value for key, value in config["trainer"].items() if key not in IDLE_TRAINER}
    kept["callbacks"] = {
        name: node for name, node in config["callbacks"].items() if node.get("_target_") not in WATCHERS
    }
    kept["sources"] = {target: _source(target) for target in sorted(set(targets(kept)))}
    text = json.dumps(kept, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def _source(target: str) -> str:
    """A digest of the file that a class of one's own is looked for in; "" for one of a library of ours."""
    module = target
    while target.partition(".")[0] not in OURS and "." in module:
        module = module.rpartition(".")[0]
        file = file_of(module)
        if file is not None and file.is_file():
            return hashlib.sha256(file.read_bytes()).hexdigest()
    return ""
