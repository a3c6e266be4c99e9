"""Loggers, and the row of hyperparameters that they are given."""

from abreast.loggers.mlflow import MLflow
from abreast.loggers.tensorboard import TensorBoard
from abreast.loggers.wandb import Wandb

__all__ = ["MLflow", "TensorBoard", "Wandb"]
