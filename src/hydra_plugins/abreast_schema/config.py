"""The defaults of `abreast.config.schema` as configurations that files in `conf/` build upon.

Hydra imports this module when it looks for plugins. `run_keys` is the top level of conf/train.yaml;
`classification` and `regression` are what every data set of that task has.
"""

from __future__ import annotations

from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf

from abreast.config.commands import commands_text
from abreast.config.schema import TASKS, RunKeys, defaults, help_text, loader_defaults, sklearn_task

_store = ConfigStore.instance()
_store.store(name="run_keys", node=defaults(RunKeys), provider="abreast_schema", replace=True)
for _task in TASKS:
    _store.store(name=_task, node=loader_defaults(_task), provider="abreast_schema", replace=True)
OmegaConf.register_resolver("abreast.keys", help_text, replace=True)
OmegaConf.register_resolver("abreast.commands", commands_text, replace=True)
OmegaConf.register_resolver("abreast.sklearn_task", sklearn_task, replace=True)
