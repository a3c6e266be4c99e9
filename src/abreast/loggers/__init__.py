"""Loggers, and the row of hyperparameters that they are given."""

from abreast.loggers.tensorboard import TensorBoard

__all__ = ["TensorBoard"]
