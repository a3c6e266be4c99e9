"""Settings whose runs end at different times, for stacks whose lanes do."""

from __future__ import annotations

STOPS = ("callbacks=early_stopping", "callbacks.early_stopping.min_delta=10")
SOON = (*STOPS, "callbacks.early_stopping.patience=1")  # after the second epoch
LATER = (*STOPS, "callbacks.early_stopping.patience=2")
DIVERGES = ("loss=mse", "optim=sgd", "optim.lr=1e6")  # in the first epoch
