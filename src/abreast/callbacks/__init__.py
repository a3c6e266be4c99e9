"""What watches a run: the run directory's writer and keeper, the progress in the terminal, the pictures."""

from abreast.callbacks.preemption import PreemptionCheckpoint
from abreast.callbacks.progress import Progress
from abreast.callbacks.run_writer import RunWriter
from abreast.callbacks.test_images import TestImages

__all__ = ["PreemptionCheckpoint", "Progress", "RunWriter", "TestImages"]
