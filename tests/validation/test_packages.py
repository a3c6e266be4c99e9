"""What to install for what is missing."""

from __future__ import annotations

import pytest

from abreast.validation.hydra_errors import _missing_file
from abreast.validation.packages import missing_plugin


@pytest.mark.parametrize(
    ("option", "extra"),
    [("launcher=ray", "ray"), ("launcher=joblib", "joblib"), ("launcher=submitit_slurm", "submitit")],
)
def test_a_launcher_that_an_extra_installs(option: str, extra: str) -> None:
    message = f"hydra/{option}: is not installed: pip install 'abreast[{extra}]'"
    assert _missing_file(f"hydra/{option.replace('=', '/')}", ["abreast", "basic"], [], []) == message


def test_a_launcher_that_nobody_has() -> None:
    assert missing_plugin("hydra/launcher=rey") is None
    message = _missing_file("hydra/launcher/basik", ["abreast", "basic"], [], [])
    assert message.startswith("hydra/launcher=basik: no such option. ")
    assert message.endswith("Did you mean hydra/launcher=basic?")
