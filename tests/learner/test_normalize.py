"""The network's first operation."""

from __future__ import annotations

import pytest
import torch

from abreast.learner.normalize import Normalize


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_inputs_are_centred_and_scaled_in_a_copy(dtype: torch.dtype) -> None:
    inputs = torch.tensor([[0, 100], [200, 60]], dtype=dtype)
    before = inputs.clone()
    found = Normalize(mean=90.0, std=4.0)(inputs)
    torch.testing.assert_close(found, torch.tensor([[-22.5, 2.5], [27.5, -7.5]]))
    assert inputs.equal(before)
