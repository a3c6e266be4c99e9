"""What watches a run: the run directory's writer and keeper, the progress in the terminal, the pictures."""

from abreast.callbacks.keeper import Keeper
from abreast.callbacks.pictures import Pictures
from abreast.callbacks.progress import Progress
from abreast.callbacks.recorder import Recorder

__all__ = ["Keeper", "Pictures", "Progress", "Recorder"]
