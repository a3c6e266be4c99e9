"""Layers of many lanes at once, forward and backward, bitwise equal to each lane's own (CPU, one thread).

A layer is made stackable by a subclass of `StackedLayer`, a row here, and a row in
`tests/stacking/test_layers.py`, which compares it with individual training. Networks with a layer that is
not registered are batched by `torch.func.vmap`.
"""

from torch import nn

from abreast.models import Residual
from abreast.stacking.layers import device_forms  # noqa: F401  fills DEVICE_FORMS
from abreast.stacking.layers.activations import (
    StackedActivation,
    StackedExactActivation,
    StackedGELU,
    StackedOutputActivation,
    StackedReLU,
)
from abreast.stacking.layers.batch_norm import StackedBatchNorm
from abreast.stacking.layers.convolution import StackedConvolution
from abreast.stacking.layers.dropout import StackedChannelDropout, StackedDropout, StackedIdentity
from abreast.stacking.layers.flatten import StackedFlatten
from abreast.stacking.layers.layer import (
    STACKED_LAYERS,
    LayerContext,
    StackedLayer,
    UnsupportedLayerError,
    register,
)
from abreast.stacking.layers.layer_norm import StackedLayerNorm
from abreast.stacking.layers.linear import StackedLinear
from abreast.stacking.layers.pooling import StackedMaxPool2d, StackedPooling
from abreast.stacking.layers.residual import StackedResidual

register(nn.Linear)(StackedLinear)
register(nn.Conv1d, nn.Conv2d, nn.Conv3d)(StackedConvolution)
register(nn.MaxPool2d)(StackedMaxPool2d)
register(nn.MaxPool1d, nn.AvgPool1d, nn.AvgPool2d)(StackedPooling)
register(nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d)(
    StackedPooling
)
register(nn.Flatten)(StackedFlatten)
register(nn.Identity)(StackedIdentity)
register(nn.Dropout)(StackedDropout)
register(nn.Dropout1d, nn.Dropout2d)(StackedChannelDropout)
register(nn.BatchNorm1d, nn.BatchNorm2d)(StackedBatchNorm)
register(Residual)(StackedResidual)
register(nn.LayerNorm)(StackedLayerNorm)
register(nn.ReLU)(StackedReLU)
register(nn.LeakyReLU, nn.ReLU6, nn.Hardtanh)(StackedExactActivation)
register(nn.ELU, nn.CELU, nn.SELU, nn.SiLU, nn.Mish)(StackedActivation)
register(nn.GELU)(StackedGELU)
register(nn.Tanh, nn.Sigmoid)(StackedOutputActivation)
register(nn.Softplus, nn.Softsign, nn.LogSigmoid, nn.Hardswish)(StackedActivation)

__all__ = ["STACKED_LAYERS", "LayerContext", "StackedLayer", "UnsupportedLayerError", "register"]
