"""The adapter between a network's raw scores and any criterion."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from abreast.config.schema import TASKS, Task
from abreast.errors import ConfigError
from abreast.losses.checks import LossInputError, any_ignored, check_classes, check_logits, check_values
from abreast.losses.settings import (
    check_choice,
    check_class_weights,
    check_criterion,
    check_forms,
    check_ignored,
    check_mixed,
)
from abreast.losses.transforms import SCORES, TARGETS, Scores, Targets
from abreast.runtime.half import HALF, to_float32

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["TASKS", "Loss", "LossInputError"]


class Loss(nn.Module):
    """A criterion, and the forms in which it takes scores and targets.

    ``loss(logits, targets)`` is a 0-d tensor, the mean over the batch. Logits are the network's raw
    scores, floating ``[B, C]``; 16-bit ones are raised to float32 first. Targets are int64 class
    indices ``[B]`` for classification. For regression, scores ``[B, D]`` and floating targets
    ``[B, D]`` reach the criterion as they are.

    A batch in which every row holds the criterion's ``ignore_index`` has loss 0 and gradient 0
    (torch alone: nan). One in which every row's class has weight 0 stays nan, as in torch.

    Args:
        criterion: ``criterion(scores, targets) -> 0-d tensor``, a mean over the batch.
        scores: ``logits``, ``log_probs`` (log-softmax), ``probs`` (softmax), ``sigmoid``, or
            ``distance`` (softplus(-logits)).
        targets: ``index`` (int64 ``[B]``), ``one_hot`` (0 and 1, ``[B, C]``) or ``signed`` (-1 and +1,
            ``[B, C]``), the last two in the scores' dtype.
        tasks: What the loss can be used for: ``classification``, ``regression`` or both.
        outputs: The network's number of outputs (classes, or D), where it is known.
        task: What this one is used for; None: the first of ``tasks``.
        check_labels: Compare labels that lie on the CPU with the number of classes in every call. On
            another device that would wait for it: there they are checked once, where they are loaded.
        ignores: Whether a label may be the criterion's ``ignore_index``. False, where the data were seen to
            hold none, spares a few kernels a step and changes no value.
        mixed: Whether targets may also be shares of the classes, floating ``[B, C]``, as of mixed examples.

    Raises:
        ConfigError: From the constructor, for settings that cannot work together.
        LossInputError: From the call, for tensors the loss is not defined for.
    """

    def __init__(
        self,
        criterion: nn.Module,
        *,
        scores: Scores = "logits",
        targets: Targets = "index",
        tasks: Sequence[Task] = ("classification",),
        outputs: int | None = None,
        task: Task | None = None,
        check_labels: bool = True,
        ignores: bool = True,
        mixed: bool = False,
    ) -> None:
        super().__init__()
        check_criterion(criterion)
        check_choice("loss.scores", scores, SCORES)
        check_choice("loss.targets", targets, TARGETS)
        self.criterion = criterion
        self.name = type(criterion).__name__
        self.scores = scores
        self.targets = targets
        self.tasks = (tasks,) if isinstance(tasks, str) else tuple(tasks)
        self.outputs = outputs
        self.check_labels = check_labels
        self.ignores = ignores
        self.mixed = mixed
        if not self.tasks:
            raise ConfigError(f"loss.tasks is empty: name {' or '.join(TASKS)}")
        for name in self.tasks:
            check_choice("loss.tasks", name, TASKS)
        self.task = self.tasks[0] if task is None else task
        check_choice("the task", self.task, TASKS)
        self._check_task()
        if "classification" in self.tasks:
            check_forms(criterion, scores, targets)
        self._classes = self.task == "classification"
        if self._classes:
            check_class_weights(criterion, outputs)
            check_ignored(criterion, targets)
            check_mixed(criterion, targets, mixed)
        ignorable = self._classes and targets == "index"
        self._ignored: int | None = getattr(criterion, "ignore_index", None) if ignorable else None

    @property
    def ignore_index(self) -> int | None:
        """The label whose rows do not count: the criterion's own, where the targets are class indices."""
        return self._ignored

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Logits ``[B, C]`` and targets ``[B]`` (regression: both ``[B, D]``) -> 0-d mean over the batch."""
        check_logits(logits, self.outputs)
        logits = to_float32(logits)
        if not self._classes:
            check_values(logits, targets)
            return self._scalar(self.criterion(logits, targets.to(logits.dtype)))
        if self.mixed and targets.is_floating_point():
            check_values(logits, targets)
            scores = SCORES[self.scores](logits)
            return self._scalar(self.criterion(scores, targets.to(scores.dtype)))
        check_classes(logits, targets)
        ignored = self._ignored
        may_ignore = ignored is not None and self.ignores
        if self.check_labels and targets.device.type == "cpu":
            may_ignore = any_ignored(targets, logits.shape[1], ignored)
        scores = SCORES[self.scores](logits)
        loss = self._scalar(self.criterion(scores, TARGETS[self.targets](targets, scores)))
        if may_ignore and ignored is not None:
            # Where a row counts, value and gradient stay bitwise those of the criterion.
            loss = torch.where(targets.eq(ignored).all(), 0.0, loss)
        return loss

    def weight(self, targets: Tensor) -> Tensor | int:
        """The weight of this batch's loss in a mean over a data set: what its own mean was divided by.

        With it, sum(weight * loss) / sum(weight) over batches does not depend on the batch size. It is
        the number of rows, also of mixed ones; where there is an ``ignore_index``, of the rows that are not
        ignored; with torch's class weights for indices (CrossEntropyLoss, NLLLoss), the sum of those rows'
        weights.
        A tensor is 0-d and floating, on the targets' device; nothing waits for the device.
        """
        ignored = None if targets.is_floating_point() else self._ignored
        weights: Tensor | None = getattr(self.criterion, "weight", None)
        if ignored is None or (weights is None and not self.ignores):
            return targets.shape[0]
        kept = targets != ignored
        if weights is None:
            return kept.sum(dtype=torch.float32)
        return (weights[targets.masked_fill(~kept, 0)] * kept).sum()

    def labels(self, targets: Tensor) -> Tensor:
        """The targets, or the classes of the largest shares, ``[..., B]``, of mixed ones ``[..., B, C]``."""
        return targets.argmax(-1) if self._classes and targets.is_floating_point() else targets

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Move or convert the loss, but keep class weights in float32 at least, as scores are."""

        def apply(tensor: Tensor) -> Tensor:
            result = fn(tensor)
            is_weight = not isinstance(tensor, nn.Parameter)
            return tensor.to(result.device) if is_weight and result.dtype in HALF else result

        super()._apply(apply, recurse)  # type: ignore[no-untyped-call]
        return self

    def extra_repr(self) -> str:
        """What a printed model shows beside the criterion."""
        return f"scores={self.scores}, targets={self.targets}, task={self.task}"

    def _scalar(self, loss: Tensor) -> Tensor:
        if loss.dim() != 0:
            raise LossInputError(
                f"{self.name} returned shape {list(loss.shape)}: "
                "expected one number, the mean over the batch. Construct it with reduction: mean"
            )
        return loss

    def _check_task(self) -> None:
        """Raise ConfigError where forms, tasks and the number of outputs do not fit together."""
        if "regression" in self.tasks and self.scores != "logits":
            raise ConfigError(
                f"{self.name} takes scores: {self.scores} and lists the task regression, "
                "where scores stay as they are. Set loss.scores=logits or loss.tasks=[classification]"
            )
        if self.task not in self.tasks:
            raise ConfigError(
                f"{self.name} is declared for {' and '.join(self.tasks)}, but is used for {self.task}. "
                f"Choose a loss whose file in conf/loss lists {self.task} under tasks"
            )
        least, meaning = (2, "class (two for yes or no)") if self.task == "classification" else (1, "value")
        if self.outputs is not None and self.outputs < least:
            raise ConfigError(
                f"the network's outputs are {self.outputs}: "
                f"{self.task} needs at least {least}, one for each {meaning}"
            )
