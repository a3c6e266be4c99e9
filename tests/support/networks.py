"""Small runs of every network option: the table of the tests that hold each of them to the same promises."""

from __future__ import annotations

from typing import Any

from support.helpers import compose

NETWORKS: dict[str, tuple[str, ...]] = {
    "linear": ("model.gain=3", "model.init=orthogonal"),
    "mlp": ("model.hidden=[16,16,16]", "model.residual=true", "model.dropout=0.2", "model.gain=[1,2,2,0.5]"),
    "cnn": (
        "model.channels=[3,4]",
        "model.kernels=3",
        "model.hidden=[8]",
        "model.norm=batch",
        "model.dropout=0.1",
        "model.channel_dropout=0.2",
    ),
    "cnn_2c2d": ("model.hidden=[32]",),
    "cnn_3c3d": ("model.padding=same", "model.channels=[8,6,4]", "model.hidden=[16,8]"),
    "resnet": ("model.widths=[4,8]",),
}


def configuration(name: str, *overrides: str) -> dict[str, Any]:
    """Two epochs of nine mini-batches of digits."""
    return compose(
        "data=digits",
        "data.batch_size=16",
        f"model={name}",
        *NETWORKS[name],
        "trainer=cpu",
        "trainer.max_epochs=2",
        "trainer.limit_train_batches=9",
        "trainer.log_every_n_steps=2",
        "steps_per_execution=4",
        "callbacks=none",
        "logger=none",
        *overrides,
    )
