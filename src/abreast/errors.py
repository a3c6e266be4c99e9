"""The errors a user can mend: printed as one message, without a traceback, with exit code 2."""


class AbreastError(Exception):
    """A mistake outside the code. The message names what was wrong, what is allowed, and the fix."""

    exit_code = 2


class ConfigError(AbreastError):
    """The configuration cannot be run."""


class DataError(AbreastError):
    """A data file is missing, truncated or corrupt, or its content does not fit the task."""


class RunError(AbreastError):
    """A run directory or one of its files cannot be read."""


class DivergedError(AbreastError):
    """The training loss of a mini-batch is not finite; `step` is the optimizer step that it was for."""

    exit_code = 1

    def __init__(self, step: int) -> None:
        super().__init__(f"diverged at step {step}")
        self.step = step
