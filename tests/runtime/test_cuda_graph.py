"""Steps are executed once, recorded, and replayed; by a stand-in for CUDA's graphs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from abreast.runtime.cuda_graph import CudaGraph, StepGraphs
from support.recorded_graph import RecordedGraph

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _no_graphs_yet() -> None:
    RecordedGraph.made.clear()


class Counter:
    """A step: adds its input to a total."""

    def __init__(self) -> None:
        self.total = torch.zeros(2)
        self.calls = 0

    def __call__(self, x: Tensor) -> list[Tensor]:
        self.calls += 1
        self.total += x
        return [self.total * 2]


def test_a_step_is_executed_recorded_and_then_replayed() -> None:
    graphs, step = StepGraphs(RecordedGraph), Counter()
    outputs = [graphs.run("kind", (), [torch.full((2,), float(n))], step)[0] for n in range(1, 6)]
    assert step.total.tolist() == [15.0, 15.0]
    assert [output[0].item() for output in outputs] == [2.0, 6.0, 12.0, 20.0, 30.0]  # none is written over
    assert step.calls == 2
    assert [graph.replays for graph in RecordedGraph.made] == [4]


def test_kinds_and_shapes_have_graphs_of_their_own_and_other_settings_drop_all() -> None:
    graphs, step = StepGraphs(RecordedGraph), Counter()
    for kind, shape in [("a", 2), ("a", 2), ("b", 2), ("a", 1), ("b", 2), ("a", 1), ("a", 2)]:
        graphs.run(kind, "lr=1", [torch.ones(shape)], step)
    assert [graph.replays for graph in RecordedGraph.made] == [2, 1, 1]
    for _ in range(3):
        graphs.run("a", "lr=2", [torch.ones(2)], step)
    assert [graph.replays for graph in RecordedGraph.made] == [2, 1, 1, 2]
    assert step.total.tolist() == [10.0, 10.0]


def test_a_step_that_waits_for_the_device_is_executed_from_then_on_and_told_once() -> None:
    told: list[str] = []
    graphs, total = StepGraphs(RecordedGraph, say=told.append), torch.zeros(1)

    def step(x: Tensor) -> list[Tensor]:
        total.add_(x)
        if total.item() < 0:
            total.zero_()
        return [total.clone()]

    for _ in range(4):
        (output,) = graphs.run("kind", (), [torch.ones(1)], step)
    assert output.item() == 4
    (line,) = told
    assert "kernel by kernel: aten._local_scalar_dense.default waits for the device" in line
    assert not graphs.is_on(CPU)


def test_steps_of_other_devices_are_not_recorded_and_a_reason_is_told_once_where_they_would_be() -> None:
    told: list[str] = []
    graphs = StepGraphs(RecordedGraph, "it is Tuesday", told.append)
    assert not graphs.is_on(torch.device("cuda"))
    assert told == []
    assert not graphs.is_on(CPU)
    assert not graphs.is_on(CPU)
    assert told == ["No CUDA graph of the steps, which are launched kernel by kernel: it is Tuesday"]
    assert StepGraphs(RecordedGraph).is_on(CPU)
    assert not StepGraphs().is_on(CPU)


def test_a_scalar_keeps_its_address() -> None:
    graphs: Any = StepGraphs(RecordedGraph)
    first = graphs.scalar("rate", 0.5, CPU)
    assert first.item() == 0.5
    assert graphs.scalar("rate", 0.25, CPU) is first
    assert first.item() == 0.25


@pytest.mark.parametrize("fails", [True, False])
def test_a_recording_that_fails_says_why_and_leaves_stream_allocator_and_generator(
    fails: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As torch leaves them: by stand-ins for its functions."""
    streams, ended, states = ["main"], [], []

    @contextmanager
    def graph(recorded: object, pool: object) -> Iterator[None]:
        streams.append("aside")
        try:
            yield
        finally:
            if fails:
                raise RuntimeError("operation failed due to a previous error during capture")
            streams.append("main")

    class Generator(SimpleNamespace):
        def graphsafe_set_state(self, other: torch.Generator) -> None:
            states.append(other.get_state())

    generator = torch.Generator().manual_seed(3)
    cuda: dict[str, Any] = {
        "CUDAGraph": object,
        "current_device": lambda: 1,
        "current_stream": lambda: streams[-1],
        "set_stream": streams.append,
        "graph_pool_handle": lambda: (0, 7),
        "graph": graph,
        "default_generators": [None, Generator(device=CPU, get_state=generator.get_state)],
    }
    for name, value in cuda.items():
        monkeypatch.setattr(torch.cuda, name, value)
    monkeypatch.setattr(torch._C, "_cuda_endAllocateToPool", lambda *at: ended.append(at), raising=False)

    def step() -> list[Tensor]:
        if fails:
            raise RuntimeError("operation not permitted when stream is capturing")
        return [torch.ones(1)]

    if fails:
        with pytest.raises(RuntimeError, match=r"^operation not permitted when stream is capturing$"):
            CudaGraph().record(step)
        assert ended == [(1, (0, 7))]
        assert [state.equal(generator.get_state()) for state in states] == [True]
    else:
        assert CudaGraph().record(step) == [torch.ones(1)]
        assert ended == states == []
    assert streams[-1] == "main"
