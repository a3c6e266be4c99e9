"""Steps that are recorded once as CUDA graphs and then launched as a whole.

A small network's step is dozens of kernels that run for a few microseconds each, and starting them from
Python takes longer. A graph starts all of them by one call. What is recorded are kernels with the addresses
of their tensors and their plain numbers: inputs are copied to the recorded addresses before each replay, and
the numbers, such as a learning rate, must be those of the recording.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from typing import Any, ClassVar, NamedTuple, Protocol

import torch
from torch import Tensor

from abreast.errors import first_line

Step = Callable[..., list[Tensor]]
Say = Callable[[str], object]


class Graph(Protocol):
    """What records a function's work on a device, and does it again."""

    device_type: str

    def record(self, function: Callable[[], list[Tensor]]) -> list[Tensor]:
        """Record what the function launches, without executing it; gives the tensors that `replay` fills."""

    def replay(self) -> None:
        """Execute what was recorded."""


class CudaGraph:
    """A `torch.cuda.CUDAGraph`, in a separate memory pool."""

    device_type = "cuda"
    _failed: ClassVar[
        list[torch.cuda.CUDAGraph]
    ] = []  # torch's allocator may still ask them for their stream

    def __init__(self) -> None:
        self._graph = torch.cuda.CUDAGraph()

    def record(self, function: Callable[[], list[Tensor]]) -> list[Tensor]:
        """Record on a stream aside; RuntimeError if the function waits for the device."""
        stream, pool = torch.cuda.current_stream(), torch.cuda.graph_pool_handle()
        cause: RuntimeError | None = None
        try:
            with torch.cuda.graph(self._graph, pool=pool):
                try:
                    return function()
                except RuntimeError as error:
                    cause = error
                    raise
        except RuntimeError as error:  # that of ending the capture says only that something has failed
            torch.cuda.set_stream(stream)  # which torch does not restore then
            self._abandon(pool)
            raise cause or error from None
        finally:
            torch.cuda.set_stream(stream)

    def _abandon(self, pool: Any) -> None:
        """Undo what torch leaves of a recording that has failed.

        Its allocator takes the recording for unfinished, and the generator refuses to draw: "offset increment
        outside graph capture encountered unexpectedly". A new state of the same seed and offset does draw.
        """
        self._failed.append(self._graph)
        device = torch.cuda.current_device()
        private: Any = torch._C
        with suppress(AttributeError, RuntimeError):  # where the capture could be ended, it has been
            private._cuda_endAllocateToPool(device, pool)
        with suppress(RuntimeError):  # a device that has failed says so at the next step
            generator = torch.cuda.default_generators[device]
            fresh = torch.Generator(generator.device)
            fresh.set_state(generator.get_state())
            generator.graphsafe_set_state(fresh)

    def replay(self) -> None:
        """Launch all that was recorded."""
        self._graph.replay()


class _Recorded(NamedTuple):
    graph: Graph
    inputs: list[Tensor]
    outputs: list[Tensor]


class StepGraphs:
    """The graphs of a training's steps: a kind of step is executed at first, then recorded, then replayed.

    The first execution makes what a recording must not: optimizer states, libraries' handles and workspaces.

    Args:
        make_graph: Makes an empty graph; None to execute every step.
        why_not: Why steps are executed one kernel at a time, to be told where graphs are possible.
        say: Takes the line that tells it.

    Attributes:
        is_recording: Whether a step is being recorded.
    """

    def __init__(
        self,
        make_graph: type[Any] | None = None,
        why_not: str | None = None,
        say: Say = lambda line: None,
    ) -> None:
        self._make_graph = make_graph
        self._why_not = why_not
        self._say = say
        self._settings: object = None
        self._executed: set[Hashable] = set()
        self._recorded: dict[Hashable, _Recorded] = {}
        self.is_recording = False
        self._scalars: dict[Hashable, Tensor] = {}

    def is_on(self, device: torch.device) -> bool:
        """Whether steps on this device are recorded; the first time that they are not, the reason is told."""
        if self._make_graph is None or self._make_graph.device_type != device.type:
            return False
        if self._why_not is not None:
            self.refuse(self._why_not)
            return False
        return True

    def refuse(self, reason: str) -> None:
        """Execute all further steps, and tell why."""
        self._say(f"No CUDA graph of the steps, which are launched kernel by kernel: {reason}")
        self._make_graph = None
        self._recorded.clear()

    def scalar(self, name: Hashable, value: float, device: torch.device) -> Tensor:
        """The 0-d tensor of that name, which steps may read, with a value; does not wait for the device."""
        if name not in self._scalars:
            self._scalars[name] = torch.empty((), device=device)
        return self._scalars[name].fill_(value)

    def run(self, kind: Hashable, settings: object, inputs: Sequence[Tensor], step: Step) -> list[Tensor]:
        """Take a step.

        Args:
            kind: What steps of one graph have in common, beside the shapes of their inputs.
            settings: The plain numbers that a graph holds, to compare; graphs of others are dropped.
            inputs: What differs from step to step.
            step: Takes the inputs; all else that it reads and writes must remain the same tensors.

        Returns:
            What the step returns, in memory that no later step writes to.
        """
        if settings != self._settings:
            self._settings = settings
            self._executed.clear()
            self._recorded.clear()
        key = (kind, *(tensor.shape for tensor in inputs))
        recorded = self._recorded.get(key)
        if recorded is None:
            if self._make_graph is None or key not in self._executed:
                self._executed.add(key)
                return step(*inputs)
            graph: Graph = self._make_graph()
            static = [tensor.clone() for tensor in inputs]
            try:
                self.is_recording = True
                outputs = graph.record(lambda: step(*static))
            except RuntimeError as error:
                self.is_recording = False
                self.refuse(first_line(error))
                return step(*inputs)
            self.is_recording = False
            recorded = self._recorded[key] = _Recorded(graph, static, outputs)
        for old, new in zip(recorded.inputs, inputs, strict=True):
            old.copy_(new)
        recorded.graph.replay()
        return [tensor.clone() for tensor in recorded.outputs]
