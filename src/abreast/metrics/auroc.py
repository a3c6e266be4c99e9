"""The area under the ROC curve."""

from __future__ import annotations

import torch
from torch import Tensor

from abreast.metrics.batched import BatchedMetric, States, mean_of

MOST_VALUES = 1 << 22  # that are sorted at once
IGNORED = -1


class AUROC(BatchedMetric):
    """The area under the ROC curve: of the second of two classes; of more, each against the rest, the mean.

    It is the probability that a random example of the class has a higher one than a random other example,
    with ties half counted (Mann & Whitney 1947): counted in integers, so that the order of the examples does
    not matter. Fawcett 2006, "An introduction to ROC analysis", Pattern Recognit. Lett. 27. Classes of which
    all or none of the examples are have no area and do not count.

    Args:
        num_classes: The number of classes.
    """

    higher_is_better = True
    takes = "probs"

    def __init__(self, num_classes: int) -> None:
        super().__init__({}, cats=("probabilities", "targets"))
        self.num_classes = num_classes

    def measure(self, scores: Tensor, targets: Tensor, counted: Tensor | None) -> States:
        """Probabilities `[..., N, C]` and labels `[..., N]`, which are -1 where an example does not count."""
        labels = targets if counted is None else targets.masked_fill(~counted, IGNORED)
        return {"probabilities": scores, "targets": labels}

    def value(self, states: States) -> Tensor:
        """The mean area `[...]`."""
        probabilities, targets = states["probabilities"], states["targets"]
        if probabilities.dim() == 3 and probabilities.numel() > MOST_VALUES:
            pairs = zip(probabilities.unbind(), targets.unbind(), strict=True)
            return torch.stack([_mean_area(*pair) for pair in pairs])
        return _mean_area(probabilities, targets)


def _mean_area(probabilities: Tensor, targets: Tensor) -> Tensor:
    first = 1 if probabilities.shape[-1] == 2 else 0  # the areas of two classes are equal, but for rounding
    values, order = probabilities[..., first:].transpose(-1, -2).sort(-1)  # [..., C, N]
    classes = torch.arange(first, probabilities.shape[-1], device=targets.device)[:, None]
    labels = targets[..., None, :].expand_as(order).gather(-1, order)
    positive = labels == classes
    negative = (~positive & (labels != IGNORED)).long()
    until = negative.cumsum(-1)  # negatives up to here, this one included
    if values.shape[-1] == 0:
        return probabilities.new_full(probabilities.shape[:-2], torch.nan)
    is_new = torch.ones_like(positive)
    is_new[..., 1:] = values[..., 1:] != values[..., :-1]
    below = torch.where(is_new, until - negative, 0).cummax(-1).values  # with a smaller probability
    is_last = torch.ones_like(positive)
    is_last[..., :-1] = is_new[..., 1:]
    most = until[..., -1:]
    not_above = torch.where(is_last, until, most).flip(-1).cummin(-1).values.flip(-1)
    twice = ((below + not_above) * positive).sum(-1)  # smaller ones twice, equal ones once
    pairs = positive.sum(-1) * most[..., 0]
    return mean_of(twice / (2 * pairs.clamp(min=1)), pairs > 0)
