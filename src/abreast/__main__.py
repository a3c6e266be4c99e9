"""`python -m abreast` is the `abreast` command."""

import sys
from pathlib import Path

# `-m` puts the working directory first, where a stranger's `logging.py` would stand in for Python's.
if sys.path and sys.path[0] == str(Path.cwd()):
    sys.path.append(sys.path.pop(0))

# isort: split
from abreast.cli.main import main

if __name__ == "__main__":
    main()
