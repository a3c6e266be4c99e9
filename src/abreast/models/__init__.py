"""Networks: each maps stored-and-normalised inputs to raw scores."""

from abreast.models.blocks import Residual
from abreast.models.cnn import CNN
from abreast.models.given import given
from abreast.models.mlp import MLP
from abreast.models.resnet import ResNet

__all__ = ["CNN", "MLP", "ResNet", "Residual", "given"]
