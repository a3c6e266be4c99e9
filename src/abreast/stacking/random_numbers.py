"""The random numbers of a lane: those that its individual run draws from the process's global generators.

Layers that a stack knows draw from the lane's own generator. Custom code draws from the global generators of
Python, numpy and torch, which all lanes share: while it runs for a lane, they are put in the lane's state.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from abreast.config.targets import is_custom, targets
from abreast.config.types import Config
from abreast.learner.module import Learner
from abreast.learner.random_state import RandomState, fresh_random_state, random_state, set_random_state

# They build optimizers of another package.
BY_NAME = ("abreast.optim.by_name", "abreast.optim.Lookahead")
_LOCK = threading.RLock()  # chunks train in several threads, and the global generators are everybody's


class LaneRandom:
    """The state of a lane's generators.

    Args:
        seed: The run's seed, which Python's and numpy's generators have.
        dropout_seed: The seed of torch's.
        device: Where the lane is trained.

    Attributes:
        generator: Takes the place of torch's global generator of the device.
    """

    def __init__(self, seed: int, dropout_seed: int, device: torch.device) -> None:
        self.generator = torch.Generator(device).manual_seed(dropout_seed)
        self._seed = seed
        self._others: RandomState | None = None  # made late: it takes longer than a small network's step
        self._on_cpu = None if device.type == "cpu" else torch.Generator().manual_seed(dropout_seed)

    def state(self) -> RandomState:
        """As `abreast.learner.random_state.random_state` gives it in the individual run."""
        if self._others is None:
            self._others = fresh_random_state(self._seed, self.generator)
        if self._on_cpu is None:
            return {**self._others, "torch": self.generator.get_state()}
        return {**self._others, "torch": self._on_cpu.get_state(), "cuda": self.generator.get_state()}

    def load_state(self, state: RandomState) -> None:
        """Continue from what `state` or an individual run gave."""
        if self._on_cpu is None or state["cuda"] is None:
            self.generator.set_state(state["torch"])
        else:
            self.generator.set_state(state["cuda"])
            self._on_cpu.set_state(state["torch"])
        self._others = {**state, "cuda": None}

    def continue_from(self, state: RandomState) -> None:
        """Take over Python's and numpy's generators: what built the lane may have drawn from them."""
        self._others = {**state, "cuda": None}

    @contextmanager
    def as_global(self) -> Iterator[None]:
        """Inside, the global generators are the lane's; no other thread is inside meanwhile."""
        with _LOCK:
            before = random_state()
            set_random_state(self.state())
            try:
                yield
            finally:
                after = random_state()
                self.load_state(after if self._on_cpu is not None else {**after, "cuda": None})
                set_random_state(before)


def is_custom_module(module: nn.Module) -> bool:
    """Whether any part of a module is of a class that is not torch's or ours, and may do anything."""
    return any(is_custom(type(part).__module__) for part in module.modules())


def is_custom_run(cfg: Config) -> bool:
    """Whether the run's loss is custom code, which may draw random numbers while it is built."""
    return any(map(is_custom, targets(cfg["loss"])))


def steps_draw(cfg: Config, learner: Learner) -> bool:
    """Whether the run's optimizer or schedule, if it is custom, draws random numbers in a step."""
    names = [*targets([cfg["optim"], cfg["schedule"]])]
    if not any(name in BY_NAME or is_custom(name) for name in names):
        return False

    def take_steps() -> None:
        parameters = [nn.Parameter(p.detach().clone()) for p in learner.net.parameters()]
        optimizer = learner.make_optimizer(parameters)
        scheduler = None if learner.schedule is None else learner.schedule.make(optimizer)
        for _ in range(2):
            for parameter in parameters:
                parameter.grad = torch.ones_like(parameter)
            optimizer.step()
            if scheduler is not None and learner.schedule is not None and learner.schedule.monitor is None:
                scheduler.step()

    return draws(take_steps)


def draws(action: Callable[[], object]) -> bool:
    """Whether an action draws from a global generator; they are left as they were."""
    with _LOCK:
        python, numpy = random.getstate(), np.random.get_state()
        devices = [*range(torch.cuda.device_count())] if torch.cuda.is_available() else []
        with torch.random.fork_rng(devices):
            before = _torch_states(devices)
            try:
                action()
                same_torch = all(map(torch.equal, before, _torch_states(devices)))
                return not (
                    same_torch and random.getstate() == python and _equal(np.random.get_state(), numpy)
                )
            finally:
                random.setstate(python)
                np.random.set_state(numpy)


def _torch_states(devices: list[int]) -> list[torch.Tensor]:
    return [torch.get_rng_state(), *(torch.cuda.get_rng_state(device) for device in devices)]


def _equal(state: Any, other: Any) -> bool:
    return bool(state[2:] == other[2:] and np.array_equal(state[1], other[1]))
