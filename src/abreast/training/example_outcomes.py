"""What the test found for each of its examples, in a run's directory."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from abreast.learner.evaluator import Evaluator
from abreast.runs.example_outcomes import MOST_EXAMPLES, ExampleOutcomes, digest


def write_example_outcomes(file: Path, evaluator: Evaluator, targets: Tensor) -> None:
    """Write which test examples were right, or their squared errors; nothing without a test.

    Args:
        file: The file to write.
        evaluator: The module that was tested.
        targets: Targets of all test examples, of which the test may have had the first ones only.
    """
    collector = evaluator.test_metrics.outcomes
    if collector is None or collector.outcomes is None:
        return
    values, counted = (part.cpu().numpy() for part in collector.outcomes)
    if 0 < len(values) <= MOST_EXAMPLES:
        tested = targets[: len(values)].detach().cpu()
        if tested.is_floating_point():
            tested = tested.double()
        ExampleOutcomes(values, counted, digest(tested.numpy())).write(file)
