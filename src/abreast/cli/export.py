"""`abreast export`: ONNX and torch.export files of a run's network."""

from __future__ import annotations

from collections.abc import Sequence

from abreast.build.data import build_data
from abreast.cli.arguments import FORMATS, parse
from abreast.errors import RunError
from abreast.inference.export import ROWS, WRITERS, Network
from abreast.inference.load import rebuild, reopened
from abreast.runs.links import check_output_folder
from abreast.runtime.printable import printable


def main(argv: Sequence[str] | None = None) -> int:
    """The command `abreast export`."""
    args = parse("export", argv)
    with reopened(args.run, args.overrides, args.trust) as (directory, config):
        learner = rebuild(directory, config, args.checkpoint or config["checkpoint"])
        inputs = build_data(config).test.inputs[:ROWS]
    folder = args.to or directory.path / "export"
    if args.to is None:
        check_output_folder(folder, directory.path, "--to")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"--to {folder}: cannot be made ({error.strerror})") from None
    network = Network(learner).eval()
    for form in args.format or FORMATS:
        write, file = WRITERS[form]
        try:
            difference = write(network, inputs, folder / file)
        except OSError as error:
            reason = f"cannot be written ({error.strerror}); name another folder with --to"
            raise RunError(f"{folder / file}: {reason}") from error
        name = printable(str(folder / file))
        print(f"{name}: checked on {len(inputs)} test examples, largest difference {difference:.2g}")
    return 0
