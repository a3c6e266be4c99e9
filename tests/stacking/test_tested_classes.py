"""What a test measures of all lanes at once is bitwise what it measures of each."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from abreast.losses import Loss
from abreast.metrics.stage import StageMetrics
from abreast.stacking import metrics as stack_metrics
from abreast.stacking.metrics import StackMetrics

CLASSES = ("a", "b", "c")
KIND: Any = {"scores": "logits", "targets": "index", "task": "classification"}


def drawn_scores(kind: str) -> Tensor:
    """Scores `[K, N, C]` of three lanes: as networks give them, or with ties, or sure of everything."""
    scores = torch.randn(3, 50, len(CLASSES), generator=torch.Generator().manual_seed(0))
    if kind == "ties":
        return scores.round()
    return scores * 200 if kind == "sure" else scores * 3


@pytest.mark.parametrize("kind", ["usual", "ties", "sure"])
@pytest.mark.parametrize("folded_at", [7, 1 << 16])
@pytest.mark.parametrize(("ignore_index", "most"), [(None, 1000), (1, 1000), (None, 2)])
def test_lanes_together_equal_lanes_alone(
    kind: str, folded_at: int, ignore_index: int | None, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("metrics.stage", "stacking.tested_classes"):  # of more classes there is no matrix
        monkeypatch.setattr(f"abreast.{module}.MOST_CONFUSED", most)
    monkeypatch.setattr(stack_metrics, "ROWS_HELD", folded_at)
    monkeypatch.setattr("abreast.metrics.stage.ROWS_HELD", folded_at)
    scores = drawn_scores(kind)
    targets = torch.arange(50) % 2  # none of the third class
    criterion = nn.CrossEntropyLoss() if ignore_index is None else nn.CrossEntropyLoss(ignore_index=1)
    ignores = ignore_index is not None
    losses = [Loss(criterion, **KIND, outputs=len(CLASSES), ignores=ignores) for _ in scores]

    def stages() -> list[StageMetrics]:
        return [StageMetrics(CLASSES, ignore_index=loss.ignore_index, full=True) for loss in losses]

    together, alone = StackMetrics(losses, stages()), stages()
    assert together.counts_here == (ignore_index is None)
    for part in (slice(0, 20), slice(20, 50)):
        batch_losses = [loss(lane[part], targets[part]) for loss, lane in zip(losses, scores, strict=True)]
        together.update(torch.stack(batch_losses), scores[:, part], targets[part].expand(3, -1))
        for stage, loss, value, lane in zip(alone, losses, batch_losses, scores, strict=True):
            stage.update(value, loss.weight(targets[part]), lane[part], targets[part])
    for mine, values, stage in zip(together.stage_metrics, together.compute(), alone, strict=True):
        expected = stage.compute()
        assert [*values] == [*expected]
        assert ("confusion" in values) is (most > len(CLASSES))
        assert all(values[name].equal(expected[name]) for name in expected), (values, expected)
        assert all(values[name].dtype == expected[name].dtype for name in expected)
        for a, b in zip(mine.worst_examples.rows(9), stage.worst_examples.rows(9), strict=True):  # type: ignore[union-attr]
            assert torch.as_tensor(a).equal(torch.as_tensor(b))
        for a, b in zip(mine.outcomes.outcomes, stage.outcomes.outcomes, strict=True):  # type: ignore
            assert a.equal(b)
