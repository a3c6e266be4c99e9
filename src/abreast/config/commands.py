"""The commands beside training, each once, with a line for `--help`. No torch."""

from __future__ import annotations

# A module of `abreast.cli` each; `rank` is what a run starts its other processes with, and is not listed.
COMMANDS: dict[str, str] = {
    "plan": "what a command line would train, in which stacks, for how long; also --dry-run",
    "decide": "train two settings on more and more seeds until the answer is known",
    "report": "which setting won, by how much: tables, tests and one page",
    "ls": "the runs, sweeps and studies below a folder",
    "show": "a run's settings and metrics; what an option such as loss=hinge is",
    "compare": "in which settings and metrics runs differ",
    "evaluate": "test a run again, on its data or on other data",
    "predict": "classes and probabilities of files",
    "export": "ONNX and torch.export, both checked",
    "tag": "put words on runs, to find them again",
    "rm": "delete runs, sweeps or studies",
    "completion": "tab completion for bash, zsh or fish",
}

TRAINING = ("plan", "decide")  # those that take the arguments of a training


def commands_text() -> str:
    """A line for each command, for `--help`."""
    width = max(map(len, COMMANDS))
    return "\n".join(f"abreast {name:{width}}  {text}" for name, text in COMMANDS.items())
