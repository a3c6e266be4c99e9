"""The adapter: what it refuses, what it counts, and that it leaves a criterion's bits alone."""

from __future__ import annotations

import copy
import math
import pickle
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from abreast.errors import ConfigError
from abreast.losses import (
    SCORES,
    TARGETS,
    CriterionSpec,
    Focal,
    L1Probs,
    Loss,
    LossInputError,
    OneVsRestHinge,
)

# What each mistake does in torch alone is noted where torch does not stop it.
SETTINGS = {
    "softmax before cross-entropy (a floor)": (
        lambda: Loss(nn.CrossEntropyLoss(), scores="probs"),
        # The best softmax is one-hot: -log(e / (e + 9)).
        rf"CrossEntropyLoss cannot take scores: probs: .*fall below {math.log(1 + 9 / math.e):.3f} with 10"
        r".*Set loss.scores=logits$",
    ),
    "log-softmax before cross-entropy": (
        lambda: Loss(nn.CrossEntropyLoss(), scores="log_probs"),
        r"cannot take scores: log_probs.*loss.scores=logits",
    ),
    "raw scores into NLL (negative losses)": (
        lambda: Loss(nn.NLLLoss()),
        r"NLLLoss cannot take scores: logits: .*unbounded below.*loss.scores=log_probs",
    ),
    "probabilities into NLL": (lambda: Loss(nn.NLLLoss(), scores="probs"), r"loss.scores=log_probs"),
    "raw scores into KL (negative losses)": (
        lambda: Loss(nn.KLDivLoss(reduction="batchmean"), targets="one_hot"),
        r"KLDivLoss cannot take scores: logits: .*negative.*loss.scores=log_probs",
    ),
    "probabilities into KL": (
        lambda: Loss(nn.KLDivLoss(reduction="batchmean"), scores="probs", targets="one_hot"),
        r"loss.scores=log_probs",
    ),
    "class indices into KL": (
        lambda: Loss(nn.KLDivLoss(reduction="batchmean"), scores="log_probs"),
        r"cannot take targets: index.*loss.targets=one_hot",
    ),
    "one-hot as log-probabilities in KL": (
        lambda: Loss(nn.KLDivLoss(log_target=True), scores="log_probs", targets="one_hot"),
        r"log_target: true.*loss.criterion.log_target=false",
    ),
    "raw scores into BCE": (
        lambda: Loss(nn.BCELoss(), targets="one_hot"),
        r"BCELoss cannot take scores: logits.*loss.scores=sigmoid or probs",
    ),
    "sigmoid twice": (
        lambda: Loss(nn.BCEWithLogitsLoss(), scores="sigmoid", targets="one_hot"),
        r"BCEWithLogitsLoss cannot take scores: sigmoid: it applies the sigmoid itself.*loss.scores=logits",
    ),
    "softmax, then sigmoid": (
        lambda: Loss(nn.BCEWithLogitsLoss(), scores="probs", targets="one_hot"),
        r"BCEWithLogitsLoss cannot take scores: probs",
    ),
    "signed targets into BCE": (
        lambda: Loss(nn.BCEWithLogitsLoss(), targets="signed"),
        r"cannot take targets: signed.*loss.targets=one_hot",
    ),
    "one-hot into the multi-class hinge": (
        lambda: Loss(nn.MultiMarginLoss(), targets="one_hot"),
        r"MultiMarginLoss cannot take targets: one_hot.*loss.targets=index",
    ),
    "0/1 into hinge embedding (a constant)": (
        lambda: Loss(nn.HingeEmbeddingLoss(), scores="distance", targets="one_hot"),
        r"HingeEmbeddingLoss cannot take targets: one_hot: a target of 0 gives.*loss.targets=signed",
    ),
    "raw scores into hinge embedding (unbounded below)": (
        lambda: Loss(nn.HingeEmbeddingLoss(), targets="signed"),
        r"cannot take scores: logits: .*unbounded below.*loss.scores=distance",
    ),
    "0/1 into a soft margin (a constant)": (
        lambda: Loss(nn.SoftMarginLoss(), targets="one_hot"),
        r"loss.targets=signed",
    ),
    "class numbers into MSE (broadcast)": (
        lambda: Loss(nn.MSELoss()),
        r"MSELoss cannot take targets: index: .*not a quantity.*loss.targets=one_hot or signed",
    ),
    "class numbers into L1": (lambda: Loss(nn.L1Loss()), r"L1Loss cannot take targets: index"),
    "class numbers into Huber": (lambda: Loss(nn.HuberLoss()), r"HuberLoss cannot take targets: index"),
    "0/1 into our hinge": (
        lambda: Loss(OneVsRestHinge(), targets="one_hot"),
        r"OneVsRestHinge cannot take targets: one_hot: a target of 0.*loss.targets=signed",
    ),
    "raw scores into focal": (
        lambda: Loss(Focal()),
        r"Focal cannot take scores: logits.*loss.scores=log_probs",
    ),
    "raw scores as probabilities": (
        lambda: Loss(L1Probs(), targets="one_hot"),
        r"L1Probs cannot take scores: logits.*loss.scores=probs",
    ),
    "unknown scores": (
        lambda: Loss(nn.CrossEntropyLoss(), scores="logit"),
        r"loss.scores is 'logit': allowed are logits, log_probs, .*distance\. Did you mean logits\?",
    ),
    "unknown targets": (
        lambda: Loss(nn.MSELoss(), targets="onehot"),
        r"loss.targets is 'onehot': allowed are index, one_hot, signed\. Did you mean one_hot\?",
    ),
    "unlike any form": (lambda: Loss(nn.MSELoss(), targets="xyz"), r"allowed are index, one_hot, signed$"),
    "unknown task in the list": (
        lambda: Loss(nn.CrossEntropyLoss(), tasks=["clasification"]),  # type: ignore[list-item]
        r"loss.tasks is 'clasification'.*Did you mean classification\?",
    ),
    "unknown task": (
        lambda: Loss(nn.CrossEntropyLoss(), task="ranking"),
        r"the task is 'ranking': allowed are",
    ),
    "no task": (
        lambda: Loss(nn.CrossEntropyLoss(), tasks=[]),
        r"loss.tasks is empty: name classification or",
    ),
    "a loss for classes on a regression": (
        lambda: Loss(nn.CrossEntropyLoss(), task="regression"),
        r"is declared for classification, but is used for regression. Choose a loss whose file",
    ),
    "regression on probabilities": (
        lambda: Loss(nn.MSELoss(), scores="probs", targets="one_hot", tasks=["classification", "regression"]),
        r"scores: probs and lists the task regression.*loss.scores=logits or loss.tasks=\[classification\]",
    ),
    "one output for classes (always 0)": (
        lambda: Loss(nn.CrossEntropyLoss(), outputs=1),
        r"the network's outputs are 1: classification needs at least 2.*two for yes or no",
    ),
    "no output": (
        lambda: Loss(nn.MSELoss(), tasks=["regression"], outputs=0),
        r"the network's outputs are 0: regression needs at least 1",
    ),
    "no module": (
        lambda: Loss(nn.CrossEntropyLoss),
        r"loss.criterion is <class .*CrossEntropyLoss'>: it must be a torch.nn.Module. Give it a _target_",
    ),
    "a row each": (
        lambda: Loss(nn.CrossEntropyLoss(reduction="none")),
        r"CrossEntropyLoss has reduction: none.*loss.criterion.reduction=mean",
    ),
    "a sum (grows with the batch)": (
        lambda: Loss(nn.CrossEntropyLoss(reduction="sum")),
        r"has reduction: sum: .*does not grow with the batch size",
    ),
    "too few class weights": (
        lambda: Loss(nn.CrossEntropyLoss(weight=torch.ones(3)), outputs=4),
        r"CrossEntropyLoss's weight has shape \[3\]: give 4, one number for each class",
    ),
    "too many positive weights": (
        lambda: Loss(nn.BCEWithLogitsLoss(pos_weight=torch.ones(5)), targets="one_hot", outputs=4),
        r"BCEWithLogitsLoss's pos_weight has shape \[5\]: give 4",
    ),
    "too few alphas": (
        lambda: Loss(Focal(alpha=[1.0]), scores="log_probs", outputs=2),
        r"Focal's alpha has shape \[1\]: give 2",
    ),
    "a table of weights": (
        lambda: Loss(nn.CrossEntropyLoss(weight=torch.ones(2, 2))),
        r"weight has shape \[2, 2\]: give one number for each class",
    ),
    "a negative weight": (
        lambda: Loss(nn.CrossEntropyLoss(weight=torch.tensor([1.0, -1.0]))),
        r"weight is \[1.0, -1.0\]: weights are finite, >= 0, and not all 0",
    ),
    "a nan weight": (
        lambda: Loss(nn.NLLLoss(weight=torch.tensor([1, math.nan])), scores="log_probs"),
        r"\[1.0, nan\]",
    ),
    "only zero weights": (lambda: Loss(nn.CrossEntropyLoss(weight=torch.zeros(2))), r"not all 0"),
}


@pytest.mark.parametrize("case", SETTINGS)
def test_settings_that_cannot_work(case: Any) -> None:
    make, message = SETTINGS[case]
    with pytest.raises(ConfigError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_a_custom_criterion_can_declare_its_forms() -> None:
    class Custom(nn.Module):
        spec = CriterionSpec(("sigmoid",), ("signed",), "it is made so")

        def forward(self, scores: Tensor, targets: Tensor) -> Tensor:
            return (scores * targets).mean()

    with pytest.raises(
        ConfigError, match=r"Custom cannot take targets: index: it is made so. Set loss.targets=signed"
    ):
        Loss(Custom(), scores="sigmoid")
    assert Loss(Custom(), scores="sigmoid", targets="signed")(torch.zeros(1, 2), torch.tensor([0])) == 0


def test_a_subclass_of_a_known_criterion_may_take_other_forms() -> None:
    class FromProbs(nn.CrossEntropyLoss):
        def forward(self, input: Tensor, target: Tensor) -> Tensor:
            return super().forward(input.log(), target)

    logits = torch.tensor([[math.log(3), 0.0]])
    assert Loss(FromProbs(), scores="probs")(logits, torch.tensor([0])).item() == pytest.approx(
        math.log(4 / 3)
    )


CE = nn.CrossEntropyLoss()
MSE = nn.MSELoss()


def classify(criterion: nn.Module = CE, **kwargs: object) -> Loss:
    return Loss(criterion, **kwargs)


def mse(**kwargs: object) -> Loss:
    return Loss(MSE, targets="one_hot", tasks=["classification", "regression"], **kwargs)


def regress(**kwargs: object) -> Loss:
    return mse(task="regression", **kwargs)


def rows(count: int = 10, outputs: int = 10) -> Tensor:
    return torch.zeros(count, outputs)


def labels(*values: int) -> Tensor:
    return torch.tensor(values)


INPUTS = {
    "logits of one dimension": (
        classify(),
        torch.zeros(8),
        labels(0),
        r"logits are float32 \[8\]: expected \[batch, ou",
    ),
    "images": (
        classify(),
        torch.zeros(2, 3, 4),
        labels(0, 1),
        r"logits are float32 \[2, 3, 4\].*logits.flatten\(1\)",
    ),
    "predicted classes as logits": (
        classify(),
        torch.zeros(2, 3, dtype=torch.int64),
        labels(0, 1),
        r"logits are int64 \[2, 3\]: expected a floating dtype. Pass the model's raw scores",
    ),
    "complex logits": (classify(), torch.zeros(1, 2, dtype=torch.complex64), labels(0), r"complex64"),
    "an empty batch (nan)": (classify(), rows(0), labels().long(), r"the batch is empty.*at least one row"),
    "an empty batch of values": (regress(), rows(0, 1), rows(0, 1), r"the batch is empty"),
    "float class ids": (
        classify(),
        rows(),
        torch.zeros(10),
        r"float32 \[10\]: class indices are int64. Pass targets.long\(\), or use a loss for regression",
    ),
    "labels that broadcast in MSE": (
        mse(),
        rows(),
        torch.zeros(10),
        r"targets are float32 \[10\].*targets.long\(\)",
    ),
    "uint8 class ids": (
        classify(),
        rows(),
        torch.zeros(10, dtype=torch.uint8),
        r"uint8 \[10\].*targets.long\(\)",
    ),
    "int32 class ids": (mse(), rows(), torch.zeros(10, dtype=torch.int32), r"int32 \[10\].*targets.long\(\)"),
    "bool class ids": (classify(), rows(2, 2), torch.tensor([True, False]), r"bool \[2\].*targets.long\(\)"),
    "a column of class ids": (
        classify(),
        rows(),
        torch.zeros(10, 1, dtype=torch.int64),
        r"targets are int64 \[10, 1\]: expected class indices, int64 \[10\]. Pass targets.squeeze\(1\)",
    ),
    "one-hot targets": (
        classify(),
        rows(4, 3),
        torch.zeros(4, 3),
        r"targets are float32 \[4, 3\]: expected class indices, int64 \[4\]. Pass targets.argmax\(1\)",
    ),
    "one-hot targets for MSE": (
        mse(),
        rows(4, 3),
        torch.zeros(4, 3),
        r"Pass targets.argmax\(1\) if these are one-hot",
    ),
    "targets of another width": (classify(), rows(4, 3), torch.zeros(4, 2), r"Pass targets as class indices"),
    "a single number": (classify(), rows(1), torch.tensor(3), r"targets are int64 \[\]"),
    "too few targets": (
        classify(),
        rows(4),
        labels(0, 1),
        r"targets are int64 \[2\] beside logits float32 \[4, 10\]: expected one target a row",
    ),
    "one target for MSE (broadcasts)": (
        mse(),
        rows(4),
        labels(0),
        r"int64 \[1\] beside logits float32 \[4, 10\]",
    ),
    "one score a row (always 0)": (
        classify(),
        rows(2, 1),
        labels(0, 0),
        r"float32 \[2, 1\]: one score a row tells no",
    ),
    "other classes than declared": (
        classify(outputs=10),
        rows(2, 9),
        labels(0, 1),
        r"logits are float32 \[2, 9\]: expected 10 scores a row.*10 outputs",
    ),
    "other values than declared": (regress(outputs=2), rows(2, 1), rows(2, 1), r"expected 2 scores a row"),
    "a class too high": (
        classify(),
        rows(2, 10),
        labels(3, 10),
        r"labels are not in 0\.\.9 or ignore_index=-100 \(row 1 holds 10; .*Correct the labels",
    ),
    "a negative class": (
        classify(),
        rows(2, 10),
        labels(-1, 3),
        r"row 0 holds -1;",
    ),
    "a class too high beside an ignored one": (
        classify(),
        rows(2, 10),
        labels(-100, 10),
        r"highest 10",
    ),
    "a class below an ignored one": (classify(), rows(2, 10), labels(-100, -101), r"lowest -101"),
    "a class too high for MSE": (
        mse(),
        rows(1, 3),
        labels(3),
        r"1 of 1 labels are not in 0\.\.2 \(row 0 holds 3; .*Correct the labels",
    ),
    "an ignored row for MSE": (mse(), rows(1, 3), labels(-100), r"not in 0\.\.2 \(row 0 holds -100"),
    "an ignored row for the hinge": (
        classify(nn.MultiMarginLoss()),
        rows(1, 3),
        labels(-100),
        r"not in 0\.\.2 \(row 0 holds -100",
    ),
    "an ignored row for one-hot cross-entropy": (
        classify(targets="one_hot"),
        rows(1, 3),
        labels(-100),
        r"not in 0\.\.2 \(row 0 holds -100",
    ),
    "a flat target for one value (broadcasts)": (
        regress(),
        rows(8, 1),
        torch.zeros(8),
        r"float32 \[8\] beside logits float32 \[8, 1\]: .*targets.unsqueeze\(1\): .*broadcast to \[8, 8\]",
    ),
    "values of another width": (regress(), rows(8, 2), torch.zeros(8, 1), r"regression expects equal shapes"),
    "values of another batch": (regress(), rows(8, 2), torch.zeros(1, 2), r"regression expects equal shapes"),
    "whole numbers": (
        regress(),
        rows(8, 2),
        torch.zeros(8, 2, dtype=torch.int64),
        r"int64 \[8, 2\].*targets.float\(\)",
    ),
}


@pytest.mark.parametrize("case", INPUTS)
def test_inputs_that_cannot_work(case: Any) -> None:
    loss, logits, targets, message = INPUTS[case]
    with pytest.raises(LossInputError, match=message) as caught:
        loss(logits, targets)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, ValueError)


def test_a_criterion_must_return_one_number() -> None:
    class RowLoss(nn.Module):
        def forward(self, scores: Tensor, targets: Tensor) -> Tensor:
            return scores.sum(1)

    with pytest.raises(LossInputError, match=r"RowLoss returned shape \[4\]: expected one number"):
        Loss(RowLoss())(rows(4), labels(0, 0, 0, 0))


def test_labels_are_read_only_where_asked() -> None:
    # The hinge's own check then speaks, later and with less to say.
    loss = Loss(nn.MultiMarginLoss(), check_labels=False)
    with pytest.raises(RuntimeError, match="target"):
        loss(rows(1, 3), labels(3))


# --- Forms ---


def test_forms_by_hand() -> None:
    logits = torch.tensor([[0.0, math.log(3)]], dtype=torch.float64)
    expected = {
        "logits": [0, math.log(3)],
        "log_probs": [math.log(0.25), math.log(0.75)],
        "probs": [0.25, 0.75],
        "sigmoid": [0.5, 0.75],
        "distance": [math.log(2), math.log(4 / 3)],
    }
    assert set(expected) == set(SCORES)
    for form, row in expected.items():
        assert SCORES[form](logits)[0].tolist() == pytest.approx(row), form
    targets = {"index": [1], "one_hot": [[0, 1]], "signed": [[-1, 1]]}
    assert set(targets) == set(TARGETS)
    for form, rows_ in targets.items():
        assert TARGETS[form](labels(1), logits).tolist() == rows_, form


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("form", ["one_hot", "signed"])
def test_target_forms_have_the_scores_dtype_and_no_gradient(form: str, dtype: Any) -> None:
    scores = torch.zeros(2, 3, dtype=dtype, requires_grad=True)
    made = TARGETS[form](labels(0, 2), scores)
    assert made.dtype == dtype
    assert not made.requires_grad


def test_regression_targets_take_the_scores_dtype() -> None:
    value = regress()(torch.ones(2, 1), torch.zeros(2, 1, dtype=torch.float64))
    assert value.dtype == torch.float32
    assert value == 1


# --- ignore_index, and what a batch counts for ---

WEIGHTS = torch.tensor([0.2, 1.0, 3.0, 0.0], dtype=torch.float64)
IGNORING = {
    "plain": nn.CrossEntropyLoss(),
    "smoothed": nn.CrossEntropyLoss(label_smoothing=0.1),
    "weighted": nn.CrossEntropyLoss(weight=WEIGHTS),
    "weighted and smoothed": nn.CrossEntropyLoss(weight=WEIGHTS, label_smoothing=0.1),
    "another index": nn.CrossEntropyLoss(weight=WEIGHTS, ignore_index=-1),
    "an index among the classes": nn.CrossEntropyLoss(weight=WEIGHTS, ignore_index=2),
    "an index above the classes": nn.CrossEntropyLoss(ignore_index=255),
    "nll": nn.NLLLoss(weight=WEIGHTS),
}


def ignoring(case: str, **kwargs: object) -> tuple[Loss, Tensor, Tensor]:
    criterion = IGNORING[case]
    loss = Loss(criterion, scores="log_probs" if case == "nll" else "logits", outputs=4, **kwargs)
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(23, 4, generator=generator, dtype=torch.float64)
    targets = torch.randint(4, (23,), generator=generator)
    targets[::5] = criterion.ignore_index  # type: ignore[assignment]
    targets[:7] = torch.tensor([1, 0, 0, criterion.ignore_index, 1, 2, 1])
    return loss, logits, targets


@pytest.mark.parametrize("case", IGNORING)
def test_uneven_batches_weigh_up_to_the_whole(case: Any) -> None:
    loss, logits, targets = ignoring(case)
    parts = [(loss.weight(y), loss(o, y)) for o, y in zip(logits.split(7), targets.split(7), strict=True)]
    mean = sum(w * value for w, value in parts) / sum(w for w, _ in parts)
    torch.testing.assert_close(mean, loss(logits, targets), rtol=1e-12, atol=0)


@pytest.mark.parametrize("case", IGNORING)
@pytest.mark.parametrize("check_labels", [True, False])
def test_value_and_gradient_are_torch_s_to_the_bit(case: Any, check_labels: bool) -> None:
    loss, logits, targets = ignoring(case, check_labels=check_labels)
    got, expected = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    value = loss(got, targets)
    bare = loss.criterion(expected.log_softmax(1) if case == "nll" else expected, targets)
    value.backward()
    bare.backward()
    assert torch.equal(value, bare)
    assert torch.equal(got.grad, expected.grad)


@pytest.mark.parametrize("case", IGNORING)
@pytest.mark.parametrize("check_labels", [True, False])
def test_a_batch_of_ignored_rows_counts_for_nothing(case: Any, check_labels: bool) -> None:
    loss, logits, _ = ignoring(case, check_labels=check_labels)
    targets = torch.full((len(logits),), loss.criterion.ignore_index)  # type: ignore[call-overload]
    assert loss.criterion(logits, targets).isnan()  # what torch alone gives
    value = loss(logits.requires_grad_(), targets)
    value.backward()
    assert value == 0
    assert value.dtype == torch.float64
    assert (logits.grad == 0).all()
    assert loss.weight(targets) == 0


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (classify(), -100),
        (classify(nn.CrossEntropyLoss(ignore_index=7)), 7),
        (Loss(nn.NLLLoss(), scores="log_probs"), -100),
        (classify(targets="one_hot"), None),
        (classify(nn.MultiMarginLoss()), None),
        (mse(), None),
        (regress(), None),
    ],
)
def test_ignore_index(loss: Any, expected: int | None) -> None:
    assert loss.ignore_index == expected


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        # By hand, for classes 0, 1, 1, 2 (and weights 1, 2, 4): rows, or 1 + 2 + 2 + 4.
        (classify(), 4),
        (classify(nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 4.0]))), 9),
        (classify(nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 4.0]), ignore_index=1)), 5),
        (classify(nn.CrossEntropyLoss(ignore_index=1)), 2),
        # torch divides the mean by the rows in these, whatever the weights.
        (classify(nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 4.0])), targets="one_hot"), 4),
        (classify(nn.MultiMarginLoss(weight=torch.tensor([1.0, 2.0, 4.0]))), 4),
        (Loss(nn.BCEWithLogitsLoss(pos_weight=torch.tensor([1.0, 2.0, 4.0])), targets="one_hot"), 4),
        (Loss(Focal(alpha=[1.0, 2.0, 4.0]), scores="log_probs"), 4),
    ],
)
def test_weight_by_hand(loss: Any, expected: int) -> None:
    targets = labels(0, 1, 1, 2)
    assert loss.weight(targets) == expected
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(1))
    parts = [
        (float(loss.weight(y)), loss(o, y)) for o, y in zip(logits.split(3), targets.split(3), strict=True)
    ]
    mean = sum(w * value for w, value in parts) / sum(w for w, _ in parts)
    torch.testing.assert_close(mean, loss(logits, targets), rtol=1e-5, atol=0)


# --- As a module ---


def test_class_weights_are_buffers() -> None:
    loss = classify(nn.CrossEntropyLoss(weight=torch.ones(3)))
    assert list(loss.state_dict()) == ["criterion.weight"]
    assert list(loss.parameters()) == []


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda loss: pickle.loads(pickle.dumps(loss))])
def test_copies_are_the_same_loss(copied: Any) -> None:
    loss = mse(outputs=10)
    logits = torch.randn(4, 10, generator=torch.Generator().manual_seed(2))
    assert torch.equal(copied(loss)(logits, labels(0, 1, 2, 3)), loss(logits, labels(0, 1, 2, 3)))


def test_tasks_may_be_one_word() -> None:
    assert Loss(CE, tasks="classification").tasks == ("classification",)


def test_printed_form() -> None:
    assert "scores=logits, targets=one_hot, task=regression" in repr(regress())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
@pytest.mark.parametrize(
    "make",
    [
        lambda weight: Loss(nn.CrossEntropyLoss(weight=weight)),
        lambda weight: Loss(nn.NLLLoss(weight=weight), scores="log_probs"),
        lambda weight: Loss(nn.BCEWithLogitsLoss(pos_weight=weight), targets="one_hot"),
        lambda weight: Loss(Focal(alpha=weight), scores="log_probs"),
    ],
)
def test_class_weights_are_exact_in_16_bit(make: Any, dtype: torch.dtype) -> None:
    weight, logits, targets = torch.tensor([0.1, 1.0, 3.3]), torch.randn(4, 3), torch.tensor([0, 1, 2, 2])
    loss, converted = make(weight), make(weight.clone()).to(dtype)
    logits = logits.to(dtype)
    expected = loss(logits.float(), targets)
    torch.testing.assert_close(converted(logits, targets).float(), expected, rtol=1e-6, atol=0)
    assert float(converted.weight(targets)) == pytest.approx(float(loss.weight(targets)), rel=1e-6)
