"""The options that trade exactness for speed: their accuracy, and that they end with the run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from abreast.inference.evaluate import evaluate
from abreast.learner.checkpoint import load
from abreast.runs.directory import RunDirectory
from abreast.runtime.matmul_precision import MatmulPrecision, matmul_precision
from support.patches import needs_patch


def metrics(path: Path) -> dict[str, float]:
    found: dict[str, float] = RunDirectory(path).read_result()["metrics"]
    return found


@pytest.mark.parametrize("option", ["matmul_precision=bf16", "trainer.precision=bf16-mixed"])
def test_bfloat16_costs_no_more_than_a_point_on_digits(option: str, train: Callable[..., Path]) -> None:
    # Over five seeds both differ from float32 by under half a point of the 359 test examples' accuracy.
    exact, quick = train("trainer.max_epochs=5", name="exact"), train("trainer.max_epochs=5", option)
    assert metrics(quick)["test/accuracy"] == pytest.approx(metrics(exact)["test/accuracy"], abs=0.012)
    tested = {name: value for name, value in metrics(quick).items() if name.startswith("test/")}
    assert evaluate(quick) == tested


def test_the_setting_ends_with_the_run() -> None:
    before = torch.backends.mkldnn.matmul.fp32_precision  # type: ignore[attr-defined]
    with matmul_precision("bf16"):
        assert torch.backends.mkldnn.matmul.fp32_precision == "bf16"  # type: ignore[attr-defined]
    assert torch.backends.mkldnn.matmul.fp32_precision == before  # type: ignore[attr-defined]
    with pytest.raises(ZeroDivisionError), matmul_precision("bf16"):
        _ = 1 / 0
    assert torch.backends.mkldnn.matmul.fp32_precision == before  # type: ignore[attr-defined]


@needs_patch("matmul_question")
@pytest.mark.parametrize(("value", "answer"), [("tf32", "high"), ("bf16", "medium"), (None, "highest")])
def test_lightning_may_ask_for_the_precision(value: MatmulPrecision | None, answer: str) -> None:
    """As it does on GPUs of these generations; torch has no answer to a precision of one backend."""
    question = torch.get_float32_matmul_precision
    with matmul_precision(value):
        assert torch.get_float32_matmul_precision() == answer
        if value is not None:
            with pytest.raises(RuntimeError, match="mix of the legacy and new APIs"):
                question()  # without an answer it would be needless
    assert torch.get_float32_matmul_precision is question


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(ValueError, match="matmul_precision=fp8 is unknown; it takes null, bf16 or tf32"):
        matmul_precision("fp8").__enter__()  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # torch's compiler has warnings of its own
def test_a_compiled_network_trains_the_same_network(train: Callable[..., Path]) -> None:
    plain = train("trainer.max_epochs=2", "model.norm=batch", name="plain")
    compiled = train("trainer.max_epochs=2", "model.norm=batch", "compile=true")
    one, other = (load(path / "checkpoints" / "last.ckpt")["state_dict"] for path in (plain, compiled))
    assert one.keys() == other.keys()
    assert metrics(compiled)["train/loss"] == pytest.approx(metrics(plain)["train/loss"], rel=0.01)
