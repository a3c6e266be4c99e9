"""Every file in conf/loss, as Hydra builds it, against its equation written out row by row in numpy."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import hydra
import numpy as np
import pytest
import torch
from hydra.utils import get_class, instantiate
from omegaconf import DictConfig, OmegaConf
from sklearn import metrics
from torch import Tensor

from abreast.losses import Loss

CONF = Path(__file__).parents[2] / "conf"
NAMES = sorted(path.stem for path in (CONF / "loss").glob("*.yaml"))
ALLOWED = ["abreast.losses.*", "torch.nn.*"]


@functools.cache
def composed(*overrides: str) -> DictConfig:
    with hydra.initialize_config_dir(config_dir=str(CONF)):
        return hydra.compose(overrides=list(overrides)).loss


def build(name: str, *overrides: str, **kwargs: Any) -> Loss:
    return instantiate(composed(f"+loss={name}", *overrides), **kwargs, _execution_whitelist_=ALLOWED)


# --- The equations, one row each: raw scores o [C] and the class y -> number. Sources in conf/loss. ---


def softmax(o: np.ndarray) -> np.ndarray:
    e = np.exp(o - o.max())
    return e / e.sum()


def one_hot(o: np.ndarray, y: int) -> np.ndarray:
    return np.eye(len(o))[y]


def signed(o: np.ndarray, y: int) -> np.ndarray:
    return 2 * np.eye(len(o))[y] - 1


def cross_entropy(o: np.ndarray, y: int) -> float:
    return -math.log(softmax(o)[y])


def huber(o: np.ndarray, y: int) -> float:
    d = np.abs(o - one_hot(o, y))
    return np.where(d <= 1, d**2 / 2, d - 0.5).mean()


def bce(o: np.ndarray, y: int) -> float:
    s = 1 / (1 + np.exp(-o))
    t = one_hot(o, y)
    return -(t * np.log(s) + (1 - t) * np.log(1 - s)).mean()


def multi_margin(o: np.ndarray, y: int) -> float:
    return sum(max(0.0, 1 - o[y] + o[j]) for j in range(len(o)) if j != y) / len(o)


def one_vs_rest(power: int) -> Callable[[np.ndarray, int], float]:
    return lambda o, y: (np.maximum(0, 0.5 - signed(o, y) * o) ** power).sum()


def hinge_embedding(o: np.ndarray, y: int) -> float:
    d = np.log1p(np.exp(-o))
    return np.where(signed(o, y) == 1, d, np.maximum(0, 1 - d)).mean()


def tanimoto(o: np.ndarray, y: int) -> float:
    p, t = softmax(o), one_hot(o, y)
    return -(p @ t) / (p @ p + t @ t - p @ t)


def cauchy_schwarz(o: np.ndarray, y: int) -> float:
    p, t = softmax(o), one_hot(o, y)
    return -math.log(p @ t / (np.linalg.norm(p) * np.linalg.norm(t)))


def asymmetric(o: np.ndarray, y: int) -> float:
    s = 1 / (1 + np.exp(-o))
    q = np.maximum(0, s - 0.05)
    return -math.log(s[y]) - np.delete(q**4 * np.log(1 - q), y).sum()


def smoothed(o: np.ndarray, y: int) -> float:
    return -np.log(softmax(o)) @ (0.9 * one_hot(o, y) + 0.1 / len(o))


def bi_tempered(o: np.ndarray, y: int) -> float:
    """With t1 = 0.8 and t2 = 1.2; the normalizer by bisection."""
    low, high = o.max(), o.max() + (len(o) ** 0.2 - 1) / 0.2
    for _ in range(200):
        middle = (low + high) / 2
        p = (1 - 0.2 * (o - middle)) ** (-1 / 0.2)
        low, high = (middle, high) if p.sum() > 1 else (low, middle)
    log = (p[y] ** 0.2 - 1) / 0.2
    return -log - (1 - (p**1.2).sum()) / 1.2


SMOOTHED_3 = [0.9 + 0.1 / 3, 0.1 / 3, 0.1 / 3]  # the targets of label smoothing with 3 classes


class Reference(NamedTuple):
    row: Callable[[np.ndarray, int], float]
    infimum: float = 0.0
    best: tuple[float, float] = (60.0, -60.0)
    """Scores of the class and of the others at which the loss is within 1e-9 of its infimum."""


REFERENCES = {
    "asymmetric": Reference(asymmetric),
    "balanced_softmax": Reference(cross_entropy),  # of equally many examples
    "bi_tempered": Reference(bi_tempered, best=(1e6, -1e6)),
    "brier": Reference(lambda o, y: ((softmax(o) - one_hot(o, y)) ** 2).sum()),
    "bce": Reference(bce),
    "cauchy_schwarz": Reference(cauchy_schwarz),
    "chebyshev": Reference(lambda o, y: np.abs(softmax(o) - one_hot(o, y)).max()),
    "cross_entropy": Reference(cross_entropy),
    "cubed_hinge": Reference(one_vs_rest(3)),
    "focal": Reference(lambda o, y: (1 - softmax(o)[y]) ** 2 * cross_entropy(o, y)),
    "generalized_cross_entropy": Reference(lambda o, y: (1 - softmax(o)[y] ** 0.7) / 0.7),
    "hinge": Reference(multi_margin),
    "hinge_embedding": Reference(hinge_embedding),
    "hinge_one_vs_rest": Reference(one_vs_rest(1)),
    "huber": Reference(huber, best=(1, 0)),
    "kl_div": Reference(cross_entropy),
    "l1": Reference(lambda o, y: np.abs(o - one_hot(o, y)).mean(), best=(1, 0)),
    "l1_probs": Reference(lambda o, y: np.abs(softmax(o) - one_hot(o, y)).sum()),
    "l2_probs": Reference(lambda o, y: ((softmax(o) - one_hot(o, y)) ** 2).sum()),
    "label_smoothing": Reference(
        smoothed,
        infimum=-sum(q * math.log(q) for q in SMOOTHED_3),
        best=(math.log(SMOOTHED_3[0]), math.log(SMOOTHED_3[1])),
    ),
    "ldam": Reference(lambda o, y: cross_entropy(o - 0.5 * one_hot(o, y), y)),
    "log_squared": Reference(lambda o, y: cross_entropy(o, y) ** 2),
    "mse": Reference(lambda o, y: ((o - one_hot(o, y)) ** 2).mean(), best=(1, 0)),
    "logit_adjusted": Reference(cross_entropy),
    "mse_softmax": Reference(lambda o, y: ((softmax(o) - one_hot(o, y)) ** 2).mean()),
    "nll": Reference(cross_entropy),
    "poly1": Reference(lambda o, y: cross_entropy(o, y) + 1 - softmax(o)[y]),
    "squared_hinge": Reference(one_vs_rest(2)),
    "squentropy": Reference(
        lambda o, y: cross_entropy(o, y) + np.delete(o, y) @ np.delete(o, y) / (len(o) - 1), best=(60, 0)
    ),
    "symmetric_cross_entropy": Reference(lambda o, y: 0.1 * cross_entropy(o, y) + 4 * (1 - softmax(o)[y])),
    "tanimoto": Reference(tanimoto, infimum=-1.0),
}


def batch(seed: int, rows: int, classes: int, scale: float = 1.0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = scale * torch.randn(rows, classes, generator=generator, dtype=torch.float64)
    return logits, torch.randint(classes, (rows,), generator=generator)


def mean_row(name: str, logits: Tensor, targets: Tensor) -> float:
    row = REFERENCES[name].row
    return float(np.mean([row(o, y) for o, y in zip(logits.numpy(), targets.tolist(), strict=True)]))


every_loss = pytest.mark.parametrize("name", NAMES)


# --- The files ---


def test_every_file_has_a_reference() -> None:
    assert NAMES
    assert sorted(REFERENCES) == NAMES


@every_loss
def test_file_says_what_it_is(name: str) -> None:
    text = (CONF / "loss" / f"{name}.yaml").read_text()
    assert text.startswith("# ")
    assert {"_target_", "criterion", "scores", "targets", "tasks"} == set(OmegaConf.create(text))


@every_loss
def test_listed_arguments_are_the_criterion_s_own_defaults(name: str) -> None:
    criterion = dict(composed(f"+loss={name}").criterion)
    signature = inspect.signature(get_class(criterion.pop("_target_"))).parameters
    if name == "kl_div":  # torch's own default divides by the number of classes too, and warns of it
        assert criterion.pop("reduction") == "batchmean"
    if name == "label_smoothing":
        assert criterion.pop("label_smoothing") == 0.1
    if name in ("squared_hinge", "cubed_hinge"):
        assert criterion.pop("power") == {"squared_hinge": 2, "cubed_hinge": 3}[name]
    assert criterion == {key: signature[key].default for key in criterion}


@pytest.mark.parametrize(
    ("name", "override", "value"),
    [
        ("cross_entropy", "label_smoothing", 0.1),
        ("cross_entropy", "ignore_index", 3),
        ("nll", "ignore_index", 3),
        ("hinge", "margin", 2.0),
        ("hinge", "p", 2),
        ("hinge_embedding", "margin", 2.0),
        ("squared_hinge", "margin", 1.0),
        ("huber", "delta", 0.5),
        ("focal", "gamma", 5.0),
        ("poly1", "epsilon", -1.0),
        ("generalized_cross_entropy", "q", 1.0),
        ("asymmetric", "shift", 0.0),
        ("bi_tempered", "t2", 1.0),
        ("ldam", "scale", 30.0),
        ("logit_adjusted", "tau", 0.5),
        ("symmetric_cross_entropy", "log_zero", -6.0),
    ],
)
def test_constants_are_overridden_without_a_plus(name: str, override: str, value: float) -> None:
    loss = build(name, f"loss.criterion.{override}={value}")
    assert getattr(loss.criterion, override) == value


def test_focal_takes_its_alpha_from_the_command_line() -> None:
    loss = build("focal", "loss.criterion.alpha=[0.25,0.75]", outputs=2)
    assert loss.criterion.alpha.tolist() == [0.25, 0.75]


# --- The values ---


@every_loss
@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_equation(name: str, classes: int, seed: int) -> None:
    logits, targets = batch(seed, 7, classes, scale=2.0)
    value = build(name, outputs=classes)(logits, targets)
    assert value.shape == ()
    assert value.dtype == torch.float64
    assert value.item() == pytest.approx(mean_row(name, logits, targets), rel=1e-12)


@every_loss
def test_one_row(name: str) -> None:
    logits, targets = batch(3, 1, 4)
    assert build(name)(logits, targets).item() == pytest.approx(mean_row(name, logits, targets), rel=1e-12)


def probs_of(logits: Tensor) -> np.ndarray:
    return np.stack([softmax(o) for o in logits.numpy()])


def one_hots(logits: Tensor, targets: Tensor) -> np.ndarray:
    return np.eye(logits.shape[1])[targets.numpy()]


def sklearn_log_loss(logits: Tensor, targets: Tensor) -> float:
    return metrics.log_loss(targets, probs_of(logits), labels=range(logits.shape[1]))


def sklearn_bce(logits: Tensor, targets: Tensor) -> float:
    s, t = 1 / (1 + np.exp(-logits.numpy())), one_hots(logits, targets)
    return float(np.mean([metrics.log_loss(t[:, j], s[:, j], labels=[0, 1]) for j in range(t.shape[1])]))


SKLEARN = {
    "cross_entropy": sklearn_log_loss,
    "nll": sklearn_log_loss,
    "kl_div": sklearn_log_loss,
    "bce": sklearn_bce,
    "mse": lambda o, y: metrics.mean_squared_error(one_hots(o, y), o),
    "l1": lambda o, y: metrics.mean_absolute_error(one_hots(o, y), o),
    # The sum over classes is the mean times C.
    "brier": lambda o, y: o.shape[1] * metrics.mean_squared_error(one_hots(o, y), probs_of(o)),
    "mse_softmax": lambda o, y: metrics.mean_squared_error(one_hots(o, y), probs_of(o)),
    "l2_probs": lambda o, y: o.shape[1] * metrics.mean_squared_error(one_hots(o, y), probs_of(o)),
}


@pytest.mark.parametrize("name", SKLEARN)
def test_scikit_learn_agrees(name: Any) -> None:
    logits, targets = batch(4, 20, 5)
    assert build(name)(logits, targets).item() == pytest.approx(SKLEARN[name](logits, targets), rel=1e-10)


def test_scikit_learn_agrees_on_the_hinge_of_two_classes() -> None:
    # Its multi-class hinge is another (Crammer and Singer's maximum, not Weston and Watkins' sum); with two
    # classes both are the binary hinge of the difference, which torch divides by C = 2.
    logits, targets = batch(5, 20, 2)
    expected = metrics.hinge_loss(2 * targets - 1, logits[:, 1] - logits[:, 0]) / 2
    assert build("hinge")(logits, targets).item() == pytest.approx(expected, rel=1e-12)


# --- The gradients ---


@every_loss
@pytest.mark.parametrize("classes", [2, 5])
def test_gradient(name: str, classes: int) -> None:
    logits, targets = batch(6, 4, classes)
    loss = build(name)
    # gradcheck's step is 1e-6; no kink of any loss lies within it for these scores.
    assert torch.autograd.gradcheck(lambda o: loss(o, targets), logits.requires_grad_())


@every_loss
@pytest.mark.parametrize("right", [-1.0, 0.0, 0.4])
@pytest.mark.parametrize("classes", [2, 6])
def test_loss_falls_as_the_right_score_rises(name: str, right: float, classes: int) -> None:
    # Before any loss has what it wants: the hinges of one class their margin (0.5), the multi-class hinge its
    # own (1, over others of at least -0.5), squares and absolute values their target (1).
    logits, targets = batch(7, 9, classes)
    rows = torch.arange(len(logits))
    logits = logits.clamp(-0.5, 0.5).index_put((rows, targets), torch.tensor(right, dtype=torch.float64))
    logits.requires_grad_()
    build(name)(logits, targets).backward()
    assert (logits.grad[rows, targets] < 0).all()  # type: ignore[index]


@every_loss
@pytest.mark.parametrize("scale", [0.1, 3.0, 30.0])
def test_loss_is_bounded_below(name: str, scale: float) -> None:
    loss = build(name)
    for seed in range(20):
        assert loss(*batch(seed, 1, 3, scale)).item() >= REFERENCES[name].infimum - 1e-12


@every_loss
def test_loss_reaches_its_infimum(name: str) -> None:
    on, off = REFERENCES[name].best
    targets = torch.tensor([0, 2, 1])
    logits = torch.full((3, 3), float(off), dtype=torch.float64)
    logits[torch.arange(3), targets] = on
    assert build(name)(logits, targets).item() == pytest.approx(REFERENCES[name].infimum, abs=1e-9)


EXTREMES = {
    "right class certain": [[1e4, -1e4, -1e4]],
    "wrong class certain": [[-1e4, 1e4, -1e4]],
    "all high": [[1e4, 1e4, 1e4]],
    "all low": [[-1e4, -1e4, -1e4]],
    "right class low": [[-1e4, 0.0, 0.0]],
    "zeros": [[0.0, 0.0, 0.0]],
}


@every_loss
@pytest.mark.parametrize("case", EXTREMES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_extreme_scores_are_finite(name: str, case: Any, dtype: Any) -> None:
    logits = torch.tensor(EXTREMES[case], dtype=dtype, requires_grad=True)
    value = build(name)(logits, torch.tensor([0]))
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(logits.grad).all()


# --- The same in other surroundings ---


@every_loss
def test_uneven_batches_weigh_up_to_the_whole(name: str) -> None:
    logits, targets = batch(8, 23, 4)
    loss = build(name)
    parts = [(loss.weight(y), loss(o, y)) for o, y in zip(logits.split(7), targets.split(7), strict=True)]
    mean = sum(float(w) * value.item() for w, value in parts) / sum(float(w) for w, _ in parts)
    assert mean == pytest.approx(loss(logits, targets).item(), rel=1e-12)


@every_loss
def test_nothing_waits_for_the_device(name: str) -> None:
    # Tensors on the meta device have no values: reading one on the host raises.
    loss = build(name, outputs=4)
    targets = torch.empty(8, dtype=torch.int64, device="meta")
    assert loss(torch.empty(8, 4, device="meta"), targets).shape == ()
    weight = loss.weight(targets)
    assert weight == 8 if isinstance(weight, int) else weight.shape == () and weight.is_floating_point()


@every_loss
def test_sixteen_bit_scores_are_taken_in_float32(name: str) -> None:
    logits, targets = batch(9, 8, 4)
    loss = build(name)
    half = logits.bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = loss(half, targets)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, loss(half.float(), targets), rtol=0, atol=0)


# torch has no batching rule for multi_margin_loss and kl_div: it loops over them, and says so.
@pytest.mark.filterwarnings("ignore:There is a performance drop:UserWarning")
@every_loss
def test_lanes_under_vmap_equal_a_loop(name: str) -> None:
    logits = torch.stack([batch(seed, 6, 4)[0] for seed in range(3)])
    targets = torch.stack([batch(seed, 6, 4)[1] for seed in range(3)])
    loss = build(name, check_labels=False)
    together = torch.func.vmap(loss)(logits, targets)
    alone = torch.stack([loss(o, y) for o, y in zip(logits, targets, strict=True)])
    torch.testing.assert_close(together, alone, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("mse", lambda d: d**2),
        ("l1", abs),
        ("huber", lambda d: np.where(abs(d) <= 1, d**2 / 2, abs(d) - 0.5)),
    ],
)
@pytest.mark.parametrize("outputs", [1, 3])
def test_regression(name: str, row: Any, outputs: int) -> None:
    rng = np.random.default_rng(0)
    scores, targets = rng.normal(0, 2, (2, 6, outputs))
    loss = build(name, task="regression", outputs=outputs)
    value = loss(torch.from_numpy(scores), torch.from_numpy(targets))
    assert value.item() == pytest.approx(row(scores - targets).mean(), rel=1e-12)
    assert loss.weight(torch.from_numpy(targets)) == 6


NEW = {
    "torch.nn.SmoothL1Loss": (
        "one_hot",
        lambda o, t: np.where(abs(o - t) < 1, (o - t) ** 2 / 2, abs(o - t) - 0.5),
    ),
    "torch.nn.SoftMarginLoss": ("signed", lambda o, t: np.log1p(np.exp(-(2 * t - 1) * o))),
    "torch.nn.MultiLabelSoftMarginLoss": ("one_hot", lambda o, t: np.log1p(np.exp(-(2 * t - 1) * o))),
}


@pytest.mark.parametrize("target", NEW)
def test_a_new_loss_is_six_lines(target: Any) -> None:
    form, row = NEW[target]
    text = f"""
_target_: abreast.losses.Loss
criterion:
  _target_: {target}
scores: logits
targets: {form}
tasks: [classification]
""".lstrip()
    assert len(text.splitlines()) == 6
    loss = instantiate(OmegaConf.create(text), outputs=4, _execution_whitelist_=ALLOWED)
    logits, targets = batch(10, 6, 4)
    expected = row(logits.numpy(), one_hots(logits, targets)).mean()
    assert loss(logits, targets).item() == pytest.approx(expected, rel=1e-12)
