"""The test examples that a network classified worst."""

from __future__ import annotations

import torch

from abreast.data.source import Split
from abreast.learner.evaluator import Evaluator
from abreast.metrics.worst_examples import WorstExamples

BATCH = 1024  # examples scored at once


def worst_examples(evaluator: Evaluator, test: Split) -> WorstExamples:
    """The true classes' probabilities that the last test found.

    They are computed again where nothing was tested, and where this process tested only a part of the rows.

    Args:
        evaluator: The module that was tested, attached to its Trainer.
        test: All test examples, with class labels.
    """
    examples = evaluator.test_metrics.worst_examples
    if examples is not None and len(examples) and evaluator.trainer.world_size == 1:
        return examples
    examples = WorstExamples(evaluator.loss.ignore_index)
    with torch.no_grad():
        for inputs, labels in zip(
            torch.split(test.inputs, BATCH), torch.split(test.targets, BATCH), strict=True
        ):
            examples.take(evaluator(inputs).float(), labels)
    examples.close()
    return examples
