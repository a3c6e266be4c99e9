"""Names for the nested plain data that passes between modules. No torch.

Each is a dictionary with text keys. The name says which one: a configuration, a JSON file's content, or the
state of an object that can be saved and restored.
"""

from __future__ import annotations

from typing import Any

Config = dict[str, Any]  # a resolved configuration or a part of one: str, int, float, bool, None, list, dict
Json = dict[str, Any]  # the content of a JSON file, or what is to be written to one
State = dict[str, Any]  # what `state_dict()` returns and a checkpoint holds: plain data and tensors
