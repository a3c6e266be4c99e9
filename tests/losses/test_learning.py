"""Every loss trains a network that recognises digits."""

from pathlib import Path

from abreast.runs.directory import RunDirectory
from abreast.stacking.build import Job
from abreast.stacking.options import Options
from abreast.stacking.run import train_stack
from support.helpers import allowed, compose, options

# Measured over seeds 0, 1 and 2: every loss is at 0.947 or above, but for chebyshev and l1_probs (0.875 to
# 0.969; the gradient of both vanishes where the guess is wrong and sure) and l1 (0.727 to 0.950).
# Chance is 0.1.
FLOOR = 0.93
FLOORS = {"chebyshev": 0.85, "l1_probs": 0.85, "l1": 0.7}
SETTINGS = (
    "trainer=cpu",
    "logger=none",
    "callbacks=none",
    "trainer.max_epochs=15",
    "optim.lr=0.003",
    "model.hidden=[64]",
)


def test_every_loss_learns_digits(tmp_path: Path) -> None:
    """As lanes of one stack, which are bitwise the individual runs (`tests/stacking/test_equality.py`)."""
    losses = options("loss")
    jobs = [Job(compose(*SETTINGS, f"loss={loss}"), tmp_path / loss) for loss in losses]
    with allowed():
        outcomes = train_stack(jobs, Options())
    assert [outcome.error for outcome in outcomes] == [None] * len(losses)
    reached = {
        loss: RunDirectory(tmp_path / loss).read_result()["metrics"]["test/accuracy"] for loss in losses
    }
    assert {loss: value for loss, value in reached.items() if value < FLOORS.get(loss, FLOOR)} == {}
