"""Networks: each maps stored-and-normalised inputs to raw scores."""

from abreast.models.mlp import MLP

__all__ = ["MLP"]
