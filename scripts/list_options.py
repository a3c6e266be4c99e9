"""Write docs/options.md: every option of every group, with the first sentence of its file in conf/.

python scripts/list_options.py            # write the page
python scripts/list_options.py --check    # exit code 1 if it is out of date
"""

from __future__ import annotations

import argparse
import itertools
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "options.md"
GROUPS = {
    "loss": "What is minimised. `loss=NAME`",
    "optim": "The optimizer. `optim=NAME`, `optim.lr=0.01`",
    "schedule": "The learning rate over the training. `schedule=NAME`",
    "data": "The data set. `data=NAME`, `data.batch_size=64`",
    "model": "The network; input and output sizes follow the data. `model=NAME`",
    "trainer": "Lightning's Trainer: device, precision, length. `trainer=NAME`, `trainer.max_epochs=20`",
    "logger": "Where metrics go; `metrics.csv` is always written. `logger=NAME`",
    "callbacks": "Additional Lightning callbacks. `callbacks=NAME`",
    "experiment": "A named set of overrides with its measured result. `experiment=NAME`",
    "study": "A sweep with a protocol. `-m +study=NAME`; see [studies](studies.md)",
    "debug": "Short runs that look for mistakes. `debug=NAME`",
}
HEAD = """# Options

Each option is one file in `conf/<group>/`; the text beside it is the first sentence of that file. Choose one
with `group=option`, change any of its keys with `group.key=value`, and list all keys of a run with
`python train.py --cfg job`. This page is written by `python scripts/list_options.py`.
"""


def page() -> str:
    """The text of the page."""
    parts = [HEAD]
    for group, usage in GROUPS.items():
        files = sorted((ROOT / "conf" / group).glob("*.yaml"))
        assert files, f"conf/{group} holds no option"
        parts += [f"\n## {group}\n\n{usage}.\n\n| option | |\n|---|---|\n"]
        parts += [f"| `{path.stem}` | {first_sentence(path)} |\n" for path in files]
    return "".join(parts)


def first_sentence(path: Path) -> str:
    """The first sentence of the comment at the head of an option's file."""
    lines = [line for line in path.read_text().splitlines() if not line.startswith("# @package")]
    head = " ".join(
        line[2:].strip() for line in itertools.takewhile(lambda line: line.startswith("# "), lines)
    )
    sentence = re.match(r"(.+?(?<! al)\.)(?= [A-Z]|$)", head)
    assert head, f"{path}: no comment says what it is"
    return (sentence.group(1) if sentence else head).replace("|", "\\|")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the page is out of date")
    if not parser.parse_args().check:
        PAGE.write_text(page())
    elif not PAGE.is_file() or PAGE.read_text() != page():
        sys.exit("docs/options.md is out of date: run python scripts/list_options.py")


if __name__ == "__main__":
    main()
