"""MSE against cross-entropy on ten splits of the digits: one stack, one table."""

from __future__ import annotations

from pathlib import Path

import pytest

from abreast.report.analysis import analyse
from abreast.report.collect import collect
from support.forks import run_forked


@pytest.mark.long
def test_ten_splits_show_what_one_does_not(tmp_path: Path) -> None:
    """The figures of docs/sweeps.md: better in all ten splits, p = 0.03 with the corrected variance."""
    swept = ("-m", "loss=cross_entropy,mse", "seed=range(5)", "data.split_seed=range(10)")
    done = run_forked([*swept, "trainer=cpu", "logger=none", f"hydra.sweep.dir={tmp_path / 's'}"], tmp_path)
    assert done.code == 0, done.out + done.err
    assert "Training 100 of 100 jobs side by side, in stacks of 100" in done.out + done.err
    (task,) = analyse(collect([tmp_path / "s"])).tasks
    mse, cross_entropy = task.groups
    assert (mse.label, cross_entropy.label) == ("loss=mse", "loss=cross_entropy")
    one, other = (task.splits.pooled(group.values) for group in (mse, cross_entropy))
    assert len(one) == 10
    assert all(one[split] > other[split] for split in one)
    assert cross_entropy.verdict == "worse"
    assert cross_entropy.comparison is not None
    assert cross_entropy.comparison.p == pytest.approx(0.0327, abs=0.002)
