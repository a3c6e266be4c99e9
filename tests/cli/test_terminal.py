"""A sweep and a run in a pseudo-terminal: every line fits, and what matters stays."""

from __future__ import annotations

from pathlib import Path

from support.patches import needs_patch
from support.terminal import run_in_terminal

TRAIN = ["data=random", "data.size=300", "logger=none", "trainer=cpu"]


@needs_patch("log_handlers")  # of Lightning's own lines
def test_a_sweep_in_40_columns(tmp_path: Path) -> None:
    shown = run_in_terminal(
        [*TRAIN, "-m", "loss=mse,hinge", "seed=0,1", "trainer.max_epochs=2", "hydra.sweep.dir=s"],
        tmp_path,
        40,
    )
    assert shown.code == 0, shown.raw
    lines = shown.lines
    assert "Training 4 of 4 jobs side by side, in" in lines  # of the log
    assert max(map(len, lines)) <= 40
    assert any(line.startswith("epoch 2/2  0 s left") for line in lines)
    assert "best val/accuracy" in lines
    assert any(line.split()[1:] == ["loss=mse", "seed=0"] for line in lines)
    assert "test accuracy" in lines
    assert any(line.startswith("Best by validation accuracy: ") for line in lines)
    assert lines[-1] == "To compare them: abreast report s"


@needs_patch("log_handlers")  # of Lightning's own lines
def test_a_run_in_80_columns_shows_accuracy_first_and_keeps_its_bar(tmp_path: Path) -> None:
    shown = run_in_terminal([*TRAIN, "trainer.max_epochs=2", "hydra.run.dir=r"], tmp_path, 80)
    assert shown.code == 0, shown.raw
    bars = [line for line in shown.lines if line.startswith("epoch 2/2 ")]
    assert bars
    assert all(line.count("━") + line.count("╸") + line.count("╺") >= 8 for line in bars)
    assert all(line.index("val/accuracy") < line.index("train/accuracy") for line in bars)
    assert max(map(len, bars)) <= 80


def test_help_and_a_mistake_are_broken_between_words(tmp_path: Path) -> None:
    for arguments, words in (
        (["--help"], "generalized_cross_entropy, hinge,"),
        (["loss=hing"], "Did you mean"),
    ):
        shown = run_in_terminal(arguments, tmp_path, 40)
        assert max(map(len, shown.lines)) <= 40
        assert words in " ".join(map(str.strip, shown.lines))


def test_no_escape_codes_on_demand(tmp_path: Path) -> None:
    shown = run_in_terminal([*TRAIN, "trainer.max_epochs=1", "hydra.run.dir=r"], tmp_path, 80, NO_COLOR="1")
    assert "\x1b" not in shown.raw
    assert any(line.startswith("epoch 1/1  val/accuracy ") for line in shown.lines)
