"""The digest of a data set: equal for equal content, whatever its size."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from abreast.data.digest import THREAD_FROM, ContentDigest


@pytest.mark.parametrize("size", [10, THREAD_FROM // 8])
def test_the_digest_is_of_the_content(size: int) -> None:
    values = torch.from_numpy(np.random.default_rng(0).normal(size=(size, 4)).astype(np.float32))
    targets = torch.arange(size) % 3

    def digest(*tensors: torch.Tensor, classes: tuple[str, ...] = ("a", "b", "c")) -> str:
        return ContentDigest(classes, tensors).hex

    expected = digest(values, targets)
    assert digest(values.clone(), targets.clone()) == expected
    assert digest(values.t().contiguous().t(), targets) == expected  # strides are not content
    changed = values.clone()
    changed[-1, -1] += 1e-3
    others = [
        digest(changed, targets),
        digest(values, targets.flip(0)),
        digest(values.flip(0), targets),
        digest(values.double(), targets),
        digest(values.reshape(-1, 2, 2), targets),
        digest(values, targets, classes=("a", "b", "d")),
    ]
    assert len({expected, *others}) == 7
