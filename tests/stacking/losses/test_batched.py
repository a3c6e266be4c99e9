"""Losses of many lanes on a device are each lane's, in as many kernels for many lanes as for few."""

from __future__ import annotations

import pytest
import torch
import yaml
from torch import Tensor, nn

from abreast.build.components import build_loss
from abreast.losses import L1Probs, Loss
from abreast.stacking.losses import batched
from abreast.stacking.losses.batched import BatchedLosses, DeviceLosses
from abreast.stacking.losses.lane_by_lane import LaneByLane
from abreast.stacking.losses.stacked_loss import StackedLoss
from support.helpers import allowed, compose, options
from support.operations import Counted

LANES, ROWS, CLASSES = 4, 9, 5
WEIGHTS = ("[1,2,3,4,5]", "[5,1,1,1,2]", "[1,1,1,1,1]", "[0.5,2,2,2,2]")
COUNTS = ("[30,5,10,20,15]", "[9,9,9,9,9]", "[1,2,3,4,5]", "[50,4,3,2,1]")
# What lanes of a sweep differ in: overrides by the loss's name, one a lane.
SWEPT: dict[str, list[str]] = {
    "asymmetric": [f"gamma_neg={value}" for value in (1, 2, 3.5, 4)],
    "balanced_softmax": [f"class_counts={counts}" for counts in COUNTS],
    "bce": [f"pos_weight={weights}" for weights in WEIGHTS],
    "bi_tempered": [f"t1={value}" for value in (0.5, 0.5, 0.8, 0.8)],
    "cross_entropy": [f"label_smoothing={value}" for value in (0.0, 0.1, 0.2, 0.3)],
    "focal": [f"gamma={value}" for value in (0.0, 0.5, 1, 2.5)],
    "generalized_cross_entropy": [f"q={value}" for value in (0.1, 0.5, 0.7, 1)],
    "hinge": [f"margin={value}" for value in (0.1, 0.5, 1, 2)],
    "hinge_embedding": [f"margin={value}" for value in (0.1, 0.5, 1, 2)],
    "hinge_one_vs_rest": [f"power={value}" for value in (1, 1.5, 2, 3)],
    "huber": [f"delta={value}" for value in (0.1, 0.5, 1, 2)],
    "label_smoothing": [f"weight={weights}" for weights in WEIGHTS],
    "ldam": [f"max_margin={value}" for value in (0.1, 0.5, 1, 2)],
    "logit_adjusted": [f"tau={value}" for value in (0, 0.5, 1, 2)],
    "nll": [f"weight={weights}" for weights in WEIGHTS],
    "poly1": [f"epsilon={value}" for value in (-1, 0, 1, 2)],
    "symmetric_cross_entropy": [f"alpha={value}" for value in (0.1, 0.2, 1, 6)],
}


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was told."""
    lines: list[str] = []
    monkeypatch.setattr(batched.log, "info", lambda text, *values: lines.append(text % values))
    return lines


def losses_of(name: str, settings: list[str], task: str = "classification") -> list[Loss]:
    """The lanes' losses."""
    losses = []
    for lane in settings:
        config = compose(f"loss={name}")
        config["data"]["task"] = task
        for setting in lane.split():
            key, value = setting.split("=")
            config["loss"]["criterion"][key] = yaml.safe_load(value)
        with allowed():
            losses.append(build_loss(config, CLASSES, class_counts=(30, 5, 10, 20, 15)))
    return losses


def mini_batch(lanes: int, task: str = "classification") -> tuple[Tensor, Tensor]:
    """Scores and targets of lanes."""
    generator = torch.Generator().manual_seed(1)
    scores = torch.randn(lanes, ROWS, CLASSES, generator=generator) * 3
    if task == "regression":
        return scores, torch.randn(lanes, ROWS, CLASSES, generator=generator)
    return scores, torch.randint(CLASSES, (lanes, ROWS), generator=generator)


def both(losses: list[Loss], scores: Tensor, targets: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """Gradient and losses on a device, and on the CPU."""
    results = []
    for on_device in (True, False):
        stacked = StackedLoss(losses, [], on_device=on_device)
        gradient, saved = stacked.gradient(scores, targets)
        results.append([gradient, stacked.values([saved])[0]])
    return results[0], results[1]


ALL = [(name, "classification") for name in options("loss")] + [
    (name, "regression") for name in ("huber", "l1", "mse")
]


@pytest.mark.parametrize(("name", "task"), ALL)
def test_lanes_are_batched_and_have_their_own_losses(name: str, task: str, told: list[str]) -> None:
    settings = SWEPT.get(name, [""] * LANES)
    losses = losses_of(name, settings, task)
    scores, targets = mini_batch(LANES, task)
    batched, individual = both(losses, scores, targets)
    torch.testing.assert_close(batched, individual, rtol=1e-5, atol=1e-6)
    assert not told
    if name == "mse":  # whose form on the CPU is bitwise
        return
    counts = []
    for repeats in (1, 3):
        stacked = StackedLoss([loss for loss in losses for _ in range(repeats)], [], on_device=True)
        many = [tensor.repeat_interleave(repeats, 0) for tensor in (scores, targets)]
        stacked.gradient(many[0], many[1])
        with Counted() as counted:
            stacked.gradient(many[0], many[1])
        counts.append(counted.count)
    assert counts[0] == counts[1]


@pytest.mark.parametrize("name", ["cross_entropy", "nll", "label_smoothing"])
def test_rows_that_are_ignored_and_lanes_that_diverge(name: str) -> None:
    settings = [f"ignore_index=2 weight={weights}" for weights in WEIGHTS]
    losses = losses_of(name, settings)
    scores, targets = mini_batch(LANES)
    targets[:, :2] = 2
    targets[1] = 2  # no row counts
    scores[2] = torch.nan
    batched, individual = both(losses, scores, targets)
    torch.testing.assert_close(batched, individual, rtol=1e-5, atol=1e-6, equal_nan=True)
    assert batched[1].isfinite().tolist() == [True, True, False, True]
    assert not batched[0][1].any()


def test_shares_of_classes_are_batched(told: list[str]) -> None:
    criterion = nn.KLDivLoss(reduction="batchmean")
    losses = [Loss(criterion, scores="log_probs", targets="one_hot", mixed=True) for _ in range(LANES)]
    scores, targets = mini_batch(LANES)
    shares = nn.functional.one_hot(targets, CLASSES).float().roll(1, 1) * 0.3
    shares += 0.7 * nn.functional.one_hot(targets, CLASSES)
    batched, individual = both(losses, scores, shares)
    torch.testing.assert_close(batched, individual, rtol=1e-5, atol=1e-6)
    assert not told


def test_a_form_that_differs_is_not_used_and_a_line_says_so(
    told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    right = BatchedLosses.gradient

    def wrong(self: BatchedLosses, scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        gradient, losses = right(self, scores, targets)
        return gradient * 1.01, losses

    monkeypatch.setattr(BatchedLosses, "gradient", wrong)
    batched, individual = both(losses_of("focal", SWEPT["focal"]), *mini_batch(LANES))
    torch.testing.assert_close(batched, individual, rtol=0, atol=0)
    assert len(told) == 1
    assert told[0].startswith("The Focal of 4 of 4 lanes is computed lane by lane, which takes longer: ")


def test_lanes_whose_numbers_choose_another_formula_are_batched_by_their_numbers(told: list[str]) -> None:
    losses = losses_of("bi_tempered", ["t1=1", "t1=1", "t1=0.5", "t1=0.5", "t1=0.2"])
    scores, targets = mini_batch(5)
    batched, individual = both(losses, scores, targets)
    torch.testing.assert_close(batched, individual, rtol=1e-5, atol=1e-6)
    assert len(told) == 1
    assert "of 1 of 5 lanes" in told[0]


class Raising(L1Probs):
    """Raises on request."""

    broken = False

    def forward(self, probs: Tensor, targets: Tensor) -> Tensor:
        if self.broken:
            raise ValueError("broken")
        return super().forward(probs, targets)


def test_a_loss_that_raises_later_fails_its_lane_alone() -> None:
    losses = [Loss(Raising(), scores="probs", targets="one_hot", check_labels=False) for _ in range(3)]
    scores, targets = mini_batch(3)
    errors: dict[int, Exception] = {}
    together = DeviceLosses(losses, lambda lanes: LaneByLane(losses[lanes], lanes.start, errors))
    first, _ = together.gradient(scores, targets)
    assert first.flatten(1).any(1).all()
    ((_, batched),) = together.parts
    assert isinstance(batched, BatchedLosses)
    for loss in (losses[1], batched._loss):
        vars(loss.criterion)["broken"] = True
    gradient, _ = together.gradient(scores, targets)
    assert [*errors] == [1]
    assert gradient[0].any()
    assert not gradient[1].any()
