"""A folder of runs for the commands that only look at them."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.report_runs import config, write_run


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """`runs/` with a run, and a sweep of four of which one failed."""
    folder = tmp_path / "runs"
    write_run(folder / "one", config(seed=7, optim__lr=0.01), test=0.91)
    for optim, value in (("adam", 0.95), ("sgd", 0.93)):
        for seed in (0, 1):
            failed = optim == "sgd" and seed == 1
            write_run(
                folder / "swept" / f"{optim}{seed}",
                config(seed=seed, optim=optim),
                test=value + seed / 100,
                status="failed" if failed else "finished",
                reason="diverged at step 3" if failed else None,
            )
    (folder / "swept" / "multirun.yaml").write_text("hydra: {}\n")
    return folder
