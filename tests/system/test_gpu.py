"""What only a GPU shows: nothing waits for it within a block, and it trains what the CPU trains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from abreast.inference.evaluate import evaluate
from abreast.learner import block_step, module
from abreast.runs.directory import RunDirectory
from abreast.training.run import run
from support.helpers import allowed, compose

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


def trained(folder: Path, *overrides: str) -> dict[str, float]:
    with allowed():
        run(compose("logger=none", "callbacks=none", "trainer.max_epochs=3", *overrides), folder)
    metrics: dict[str, float] = RunDirectory(folder).read_result()["metrics"]
    return metrics


def test_the_gpu_trains_what_the_cpu_trains(tmp_path: Path) -> None:
    on_gpu = trained(tmp_path / "gpu", "trainer=gpu")
    on_cpu = trained(tmp_path / "cpu", "trainer=cpu")
    for name in ("train/loss", "val/loss", "test/loss"):
        assert on_gpu[name] == pytest.approx(on_cpu[name], rel=0.02)  # other kernels, other rounding
    tested = {name: value for name, value in on_gpu.items() if name.startswith("test/")}
    assert evaluate(tmp_path / "gpu") == tested


@pytest.mark.parametrize("loss", ["cross_entropy", "mse", "hinge", "focal"])
@pytest.mark.parametrize("optim", ["adam", "sgd", "rmsprop"])
def test_a_block_never_waits_for_the_gpu(
    loss: str, optim: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def watched(learner: Any, block: Any, config: Any) -> int:
        torch.cuda.set_sync_debug_mode("error")
        try:
            return block_step.train_block(learner, block, config)
        finally:
            torch.cuda.set_sync_debug_mode("default")

    monkeypatch.setattr(module, "train_block", watched)
    trained(tmp_path, "trainer=gpu", f"loss={loss}", f"optim={optim}", "model.norm=batch")


@pytest.mark.parametrize("precision", ["bf16-mixed", "16-mixed"])
def test_mixed_precision(precision: str, tmp_path: Path) -> None:
    more = ("optim.fused=false",) if precision == "16-mixed" else ()
    assert trained(tmp_path, "trainer=gpu", f"trainer.precision={precision}", *more)["test/accuracy"] > 0.9
