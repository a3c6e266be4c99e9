"""Values in Hydra's grammar: Hydra reads back what was given, in a run and in a sweep."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from abreast.api.overrides import literal, to_overrides
from abreast.errors import ConfigError

TEXTS = (
    *("", "mse", "a,b", "a=b", "it's", '"', "a b", " lead", "trail ", "ü漢", "line\nbreak", "\t", "x\r\n"),
    *("${x}", "\\${x}", "\\\\${x}", "${", "$", "${a:${b}}", "'${x}'", "\\'${y}\\'", "x}", "%{z}"),
    *("\\", "\\\\", "a\\", "\\'", "'", "''", "\\n", "null", "True", "nan", "1", "1.0", "1e3", "A¹"),
    *("[1,2]", "{a:1}", "a:b", "~", "@", "#", "range(3)", "glob(*)", "C:\\x\\", "a/b.csv"),
)
VALUES: tuple[tuple[Any, Any], ...] = (
    *((text, text) for text in TEXTS),
    *((value, value) for value in (None, True, False, 0, -3, 10**30, 0.1, 1e-05, 1e22, float("inf"))),
    ([1, [2, "a,b", None], {"k": ["${x}", True]}], [1, [2, "a,b", None], {"k": ["${x}", True]}]),
    ({"a": {"b": [1.5, "x'y"]}}, {"a": {"b": [1.5, "x'y"]}}),
    ([], []),
    ({}, {}),
    ((1, 2), [1, 2]),
    (np.int64(3), 3),
    (np.float32(0.5), 0.5),
    (np.bool_(True), True),
    (np.str_("a,b"), "a,b"),
    (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
    (torch.tensor(3), 3),
    (torch.tensor([0.5, 1.0]), [0.5, 1.0]),
    (Path("/tmp/a b, c"), "/tmp/a b, c"),
)
PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"])).filter(lambda text: text != "???"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b_1", "c-d"]), inner),
)


def read(override: str) -> Any:
    """What a configuration holds after an override."""
    value = OverridesParser.create().parse_override(override).value()
    content: Any = OmegaConf.to_container(OmegaConf.create({"value": value}), resolve=True)
    return content["value"]


def read_in_sweep(override: str) -> Any:
    """The same of the first job of a sweep, whose overrides Hydra writes again."""
    swept = OverridesParser.create().parse_override(f"{override},other")
    return read(f"key={next(iter(swept.sweep_string_iterator()))}")


@pytest.mark.parametrize(("value", "expected"), VALUES, ids=repr)
def test_hydra_reads_what_was_given(value: Any, expected: Any) -> None:
    override = f"key={literal(value)}"
    assert [(read(override), type(read(override)))] == [(expected, type(expected))]
    assert read_in_sweep(override) == expected


@given(PLAIN)
@settings(max_examples=60, deadline=None, database=None, derandomize=True)
def test_hydra_reads_whatever_is_plain_data(value: Any) -> None:
    override = f"key={literal(value)}"
    assert read(override) == read_in_sweep(override) == value


@pytest.mark.parametrize(
    ("given", "is_sweep", "expected"),
    [
        ({"loss": "mse", "optim": {"lr": 0.1}}, False, ["loss=mse", "optim.lr=0.1"]),
        ({"model": {"hidden": [8, 4]}}, False, ["model.hidden=[8,4]"]),
        ({"data.augment": {"flip": True}}, False, ["data.augment={flip:true}"]),
        ({"callbacks": {"progress": None}}, False, ["callbacks.progress=null"]),
        ({"loss": ["mse", "hinge"], "seed": range(5)}, True, ["loss=mse,hinge", "seed=range(0,5,1)"]),
        ({"optim": {"lr": np.array([0.5, 1.0])}}, True, ["optim.lr=0.5,1.0"]),
        ({"seed": range(3, 4)}, True, ["seed=3"]),
        ({"model": {"hidden": [[8], [8, 4]]}}, True, ["model.hidden=[8],[8,4]"]),
        ({"data": {"file": ["a,b", "c"]}}, True, ["data.file='a,b',c"]),
        ({"hydra": {"launcher": {"max_lanes": 4}}}, True, ["hydra.launcher.max_lanes=4"]),
        ({"hydra": {"launcher": {"devices": [0, 1]}}}, True, ["hydra.launcher.devices=[0,1]"]),
    ],
)
def test_settings_become_overrides(given: dict[str, Any], is_sweep: bool, expected: list[str]) -> None:
    assert to_overrides(["+a=b"], given, is_sweep=is_sweep) == ["+a=b", *expected]


@pytest.mark.parametrize(
    ("overrides", "given", "message"),
    [
        (["--help"], {}, "--help: not an override"),
        (["loss"], {}, "loss: not an override. Write KEY=VALUE"),
        ([3], {}, "3: an override is a text"),
        ([], {"loss": []}, "loss=[]: has no value to sweep over"),
        ([], {"loss": object}, 'Name an option, such as loss="mse"; abreast show loss lists'),
        ([], {"optim": {"lr": object}}, "optim.lr=<class 'object'>: a value of type type cannot stand in"),
        ([], {"loss": {"mse", "hinge"}}, "a set has no order; write a list"),
        ([], {"optim": {3: 1}}, "optim.3: not a key of the configuration"),
        ([], {"a=b": 1}, "a=b: not a key of the configuration"),
        ([], {"x": [{"a b": 1}]}, "'a b' cannot be a key of a dictionary there"),
    ],
)
def test_what_cannot_be_an_override_is_said(overrides: Any, given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        to_overrides(overrides, given, is_sweep=True)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
