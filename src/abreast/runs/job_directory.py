"""The run directory of a job, from what Hydra's launchers return. No torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def job_directory(returned: Any) -> Path | None:
    """The directory that a launcher reports in a `JobReturn`; None if it reports none."""
    path = getattr(returned, "output_dir", None)  # of our launcher: its configs are composed on demand
    if path is None and getattr(returned, "hydra_cfg", None) is not None:
        runtime = returned.hydra_cfg.hydra.runtime
        path = None if "output_dir" not in runtime else runtime.output_dir
    return None if path is None else Path(str(path))
