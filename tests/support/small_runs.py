"""Overrides of runs that take little time, which several tests train."""

from __future__ import annotations

# 135 rows are trained on: eight batches of 16 and one of 7.
UNEVEN = (
    "data=random",
    "data.size=150",
    "data.test_size=50",
    "data.batch_size=16",
    "model.hidden=[12]",
    "trainer.max_epochs=3",
)
# Three blocks an epoch: of 4, 4 and 1 mini-batches.
IN_BLOCKS = (
    *("data=random", "data.size=150", "data.test_size=48", "data.batch_size=16", "data.val_fraction=0.12"),
    *("model.hidden=[16]", "trainer=cpu", "trainer.max_epochs=3", "callbacks=none", "steps_per_execution=4"),
)
THREE_CLASSES = ("data=random", "data.size=60", "data.test_size=30", "data.classes=3", "data.batch_size=20")
TWO_EPOCHS = ("data=random", "data.size=200", "data.test_size=100", "trainer.max_epochs=2")
# Of commands; each says how long it trains.
NARROW = (
    *("data=random", "data.size=200", "data.test_size=50", "data.batch_size=20", "model.hidden=[4]"),
    "trainer=cpu",
)
