"""Which runs are recorded, and what is said of the others."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from abreast.build import step_graphs
from abreast.build.step_graphs import build_step_graphs
from abreast.build.steps import build_step_config
from support.helpers import allowed, compose
from support.recorded_graph import RecordedGraph

CPU = torch.device("cpu")


def graphs(monkeypatch: pytest.MonkeyPatch, *overrides: str) -> tuple[bool, list[str]]:
    """Whether a run would be recorded, and what it says."""
    told: list[str] = []
    monkeypatch.setattr(step_graphs, "CudaGraph", RecordedGraph)
    monkeypatch.setattr(step_graphs.log, "info", told.append)
    config: Any = compose("trainer=cpu", *overrides)
    with allowed():
        step_config, _ = build_step_config(config)
    optimizer = torch.optim.Adam([nn.Parameter(torch.zeros(1))])
    return build_step_graphs(config, step_config, optimizer).is_on(CPU), told


@pytest.mark.parametrize("overrides", [(), ("loss=mse", "schedule=cosine"), ("trainer.gradient_clip_val=1",)])
def test_recorded(overrides: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    assert graphs(monkeypatch, *overrides) == (True, [])
    assert graphs(monkeypatch, *overrides, "cuda_graph=false") == (False, [])


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        (("steps_per_execution=1",), "ordinary Lightning"),
        (("trainer.accumulate_grad_batches=2",), "trainer.accumulate_grad_batches=2"),
        (("+data.augment={flip: 0.5}",), "data.augment draws its numbers on the host"),
        (("compile=true",), "compile=true"),
        (("trainer.detect_anomaly=true",), "trainer.detect_anomaly=true"),
        (("model._target_=my.Net",), "my.Net may do something on the host; if it does not, write cuda_graph"),
    ],
)
def test_not_recorded(overrides: tuple[str, ...], reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    is_on, (line,) = graphs(monkeypatch, *overrides)
    assert not is_on
    assert reason in line


def test_custom_code_is_recorded_where_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert graphs(monkeypatch, "model._target_=my.Net", "cuda_graph=true") == (True, [])
