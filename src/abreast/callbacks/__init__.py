"""The callbacks of a run: its directory's writer, its checkpoint on preemption, progress, test images."""

from abreast.callbacks.preemption import PreemptionCheckpoint
from abreast.callbacks.progress import Progress
from abreast.callbacks.run_writer import RunWriter
from abreast.callbacks.test_images import TestImages

__all__ = ["PreemptionCheckpoint", "Progress", "RunWriter", "TestImages"]
