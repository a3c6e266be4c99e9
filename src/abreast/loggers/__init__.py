"""Loggers, and the row of hyperparameters that they are given."""

from abreast.runtime import fast_import  # noqa: F401, I001  before anything imports Lightning
from abreast.loggers.mlflow import MLflow
from abreast.loggers.tensorboard import TensorBoard
from abreast.loggers.wandb import Wandb

__all__ = ["MLflow", "TensorBoard", "Wandb"]
