"""Where a command's CPU time goes, by samples of what the main thread does.

    python scripts/bench_phases.py FILE OVERRIDE...

Trains as `python train.py OVERRIDE...` does, and writes the CPU seconds of each phase to FILE as JSON.
A timer of the process's CPU time interrupts it every few milliseconds; the time counts for the innermost
function of `PHASES` that the main thread is in, also where other threads work for it.
"""

from __future__ import annotations

import json
import resource
import signal
import sys
from collections import Counter
from pathlib import Path
from types import FrameType

INTERVAL = 0.005  # seconds of CPU time
# (part of the file's name, function; any if empty): phase. The innermost frame that matches counts.
PHASES: tuple[tuple[str, str, str], ...] = (
    ("importlib._bootstrap", "_find_and_load", "imports"),
    ("stacking/chunk.py", "train", "training steps"),
    ("stacking/module.py", "validate", "validation"),
    ("stacking/module.py", "validation_step", "validation"),
    ("stacking/module.py", "on_train_epoch_end", "epoch ends: the rest"),
    ("callbacks/run_writer.py", "", "epoch ends: rows and events"),
    ("callbacks/model_checkpoint.py", "", "epoch ends: checkpoints in memory"),
    ("stacking/module.py", "on_validation_epoch_end", "validation"),
    ("callbacks/test_images.py", "", "test pictures"),
    ("stacking/tester.py", "", "test"),
    ("stacking/finish.py", "measure_between_epochs", "test"),
    ("stacking/finish.py", "", "results"),
    ("abreast/training/finish.py", "", "results"),
    ("stacking/supply.py", "end", "results"),
    ("abreast/report/", "", "report at the end"),
    ("learner/checkpoint_io.py", "", "checkpoints"),
    ("stacking/lane_checkpoints.py", "", "checkpoints"),
    ("stacking/module.py", "flush", "checkpoints"),
    ("stacking/lane.py", "load_chosen", "checkpoints"),
    ("stacking/run.py", "_write_start", "config.yaml, status.json"),
    ("stacking/build.py", "", "building lanes"),
    ("stacking/compaction.py", "", "building lanes"),
    ("stacking/lane.py", "begin", "building lanes"),
    ("stacking/run.py", "_train", "the rest of training and ends"),
    ("hydra_plugins/abreast_launcher/_hydra_jobs.py", "", "Hydra's side of a job"),
    ("hydra_plugins/abreast_launcher/_jobs.py", "is_valid", "checks"),
    ("hydra_plugins/abreast_launcher/_jobs.py", "identify", "ids and directories"),
    ("hydra_plugins/abreast_launcher/_core.py", "_unfinished", "ids and directories"),
    ("hydra_plugins/abreast_launcher/_jobs.py", "compose", "composing"),
    ("hydra/plugins/sweeper.py", "validate_batch_is_legal", "composing"),
    ("abreast/cli/preflight.py", "", "checks of every value, once"),
)
TRAINING, ONCE = "training steps", ("imports", "checks of every value, once")


def phase(frame: FrameType | None) -> str:
    """The phase of the innermost frame that has one; imports count wherever they happen."""
    result = ""
    while frame is not None:
        file, function = frame.f_code.co_filename, frame.f_code.co_name
        for part, name, label in PHASES:
            if part in file and name in ("", function):
                if label == "imports":
                    return label
                result = result or label
        frame = frame.f_back
    return result or "other"


def main(file: Path, overrides: list[str]) -> int:
    """Run the command under the timer."""
    from abreast.cli.main import main as command_line

    counts: Counter[str] = Counter()
    sys.argv = ["train.py", *overrides]

    def sample(signum: int, frame: FrameType | None) -> None:
        counts[phase(frame)] += 1

    signal.signal(signal.SIGPROF, sample)
    signal.setitimer(signal.ITIMER_PROF, INTERVAL, INTERVAL)
    try:
        command_line()
    except SystemExit as end:
        code = int(end.code or 0)
    signal.setitimer(signal.ITIMER_PROF, 0)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    total = usage.ru_utime + usage.ru_stime
    scale = total / max(1, sum(counts.values()))
    phases = {name: count * scale for name, count in counts.most_common()}
    file.write_text(json.dumps({"phases": phases, "peak_mib": usage.ru_maxrss / 1024}))
    return code


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
