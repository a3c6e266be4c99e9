"""The method behind the verdicts, in sentences."""

import re
from pathlib import Path

from abreast.report.analysis import analyse
from abreast.report.collect import collect
from abreast.report.method import method
from support.report_runs import config, write_run


def sentences(folder: Path, values: dict[str, tuple[float, ...]]) -> str:
    """The sentences about groups with these test accuracies, by optimizer."""
    for optim, accuracies in values.items():
        for seed, accuracy in enumerate(accuracies):
            write_run(folder / f"{optim}{seed}", config(seed=seed, optim=optim), test=accuracy)
    analysis = analyse(collect([folder]))
    (task,) = analysis.tasks
    return " ".join(method(task, analysis))


class TestMethod:
    def test_a_difference_that_the_seeds_could_show(self, tmp_path: Path) -> None:
        steady = {"adam": (0.91, 0.92, 0.93, 0.92), "sgd": (0.81, 0.82, 0.83, 0.81)}
        text = sentences(tmp_path, steady)
        assert "With 4 runs in the best group, a difference of 0.0" in text
        assert "would be found in 80% of such sweeps" in text

    def test_no_difference_is_larger_than_the_range_of_the_metric(self, tmp_path: Path) -> None:
        noisy = {"adam": (0.99, 0.55), "sgd": (0.57, 0.98)}
        text = sentences(tmp_path, noisy)
        assert (
            "With 2 runs in the best group, no difference that test accuracy can have is sure to be found"
            in text
        )
        assert "80%" not in text

    def test_groups_that_differ_in_noise(self, tmp_path: Path) -> None:
        mixed = {"adam": (0.93, 0.92, 0.93, 0.94, 0.92, 0.93), "sgd": (0.82, 0.81, 0.83, 0.8, 0.81, 0.82)}
        text = sentences(tmp_path, {**mixed, "lion": (1.0, 0.55)})
        assert re.search(r"a difference of 0\.\d+ or more, depending on the group, would be found", text), (
            text
        )

    def test_a_single_group_was_compared_with_nothing(self, tmp_path: Path) -> None:
        assert sentences(tmp_path, {"adam": (0.91, 0.92)}) == ""
