"""What a step of a block may cost, counted and not timed: Python calls, waits for the device, `self.log`."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningModule
from torch.utils._python_dispatch import TorchDispatchMode

from abreast.learner import block_step, module
from support.patches import needs_patch

# Python functions that a mini-batch of a block enters less than the hand-written loop below: what the loss's
# checks, the metrics' lists and the step count add is less than what the fused optimizer's kernel saves.
# Counted with torch 2.14 and lightning 2.6.6: 108 to the loop's 132.
FEWER = 20


def calls(work: Callable[[], Any]) -> int:
    """Python functions entered while `work` runs."""
    count = 0

    def enter(frame: FrameType, event: str, _: Any) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(enter)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def by_hand(
    net: torch.nn.Module, inputs: torch.Tensor, targets: torch.Tensor, rows: list[torch.Tensor]
) -> None:
    optimizer = torch.optim.Adam(net.parameters(), fused=True)
    mean, scale = torch.tensor(0.0), torch.tensor(1.0)
    losses, hits = [], torch.zeros(())
    for indices in rows:
        x = inputs.index_select(0, indices).sub(mean).mul_(scale)
        y = targets.index_select(0, indices)
        scores = net(x)
        loss = torch.nn.functional.cross_entropy(scores, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
        hits += (scores.detach().argmax(1) == y).sum()


def hand_calls_per_step() -> float:
    """The marginal calls of a step of the hand-written loop."""
    torch.manual_seed(0)
    inputs, targets = torch.randn(600, 64), torch.randint(0, 10, (600,))

    def loop(steps: int) -> int:
        net = torch.nn.Sequential(
            torch.nn.Flatten(), torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10)
        )
        return calls(lambda: by_hand(net, inputs, targets, [torch.arange(32)] * steps))

    loop(2)  # what is imported and cached at the first step
    return (loop(40) - loop(10)) / 30


@needs_patch("fused_step")
def test_python_calls_per_step(train: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[tuple[int, int]] = []

    def counting(learner: Any, block: Any, config: Any) -> int:
        done: list[int] = []
        entered = calls(lambda: done.append(block_step.train_block(learner, block, config)))
        counted.append((len(block), entered))
        return done[0]

    monkeypatch.setattr(module, "train_block", counting)
    train("trainer.max_epochs=3", "model.hidden=[32]", "trainer.log_every_n_steps=100000")
    steps, entered = counted[-1]
    assert steps == 41
    assert entered / steps <= hand_calls_per_step() - FEWER


class Waits(TorchDispatchMode):
    """Counts the operations that make the host wait for a value."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.__name__
        if name.startswith(("_local_scalar_dense", "is_nonzero", "nonzero", "equal")):
            self.seen[name] += 1
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("loss", ["cross_entropy", "mse", "hinge", "focal"])
@pytest.mark.parametrize("optim", ["adam", "sgd", "rmsprop"])
def test_nothing_waits_for_the_device(
    loss: str, optim: str, train: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = Waits()

    def watched(learner: Any, block: Any, config: Any) -> int:
        with waits:
            return block_step.train_block(learner, block, config)

    monkeypatch.setattr(module, "train_block", watched)
    train("trainer.max_epochs=1", "model.norm=batch", f"loss={loss}", f"optim={optim}")
    assert not waits.seen


def test_the_watch_sees_a_wait() -> None:
    with Waits() as waits:
        torch.ones(1).item()
    assert waits.seen


def test_nothing_is_logged_by_key(train: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    logged: list[str] = []
    monkeypatch.setattr(LightningModule, "log", lambda self, name, *args, **kwargs: logged.append(name))
    train("trainer.max_epochs=2")
    assert not logged


@needs_patch("fast_import")
def test_training_imports_neither_torchvision_nor_scipy(tmp_path: Path) -> None:
    import subprocess

    code = (
        "import sys; sys.argv = ['train.py', 'trainer.max_epochs=1', 'trainer=cpu'];"
        "from abreast.cli.main import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        "print([name for name in ('torchvision', 'scipy', 'sklearn', 'pandas') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr
