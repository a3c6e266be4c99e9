"""What is used of Lightning's private loop state is there in the installed version."""

from __future__ import annotations

import pytest
from lightning.pytorch import Trainer

from abreast.learner.lightning_loops import check, loops_state, set_position, step_progress


@pytest.fixture
def trainer() -> Trainer:
    return Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False)


def test_the_loops_keep_the_state_that_is_known(trainer: Trainer) -> None:
    check(trainer)
    assert step_progress(trainer).total.ready == 0


def test_another_state_is_named(trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer.fit_loop, "state_dict", lambda: {"progress": {}})
    with pytest.raises(RuntimeError, match=r"state \['progress'\], but lightning 2\.6 has"):
        check(trainer)


def test_a_position_is_written_as_the_loops_read_it(trainer: Trainer) -> None:
    loops = loops_state(trainer)
    # Two epochs of 9 mini-batches in blocks of 4, 4 and 1, and 4 mini-batches of the third one.
    set_position(loops, epoch=2, batches=4, calls_per_epoch=3, batches_per_call=4, optimizer_steps=None)
    trainer.fit_loop.load_state_dict(loops["fit_loop"])
    progress = trainer.fit_loop.epoch_loop.batch_progress
    assert (progress.total.completed, progress.current.completed) == (7, 1)
    epochs = trainer.fit_loop.epoch_progress.current
    assert (epochs.ready, epochs.completed) == (3, 2)
