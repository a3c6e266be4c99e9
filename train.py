"""Train a network: `python train.py loss=cross_entropy optim=adam`; `--help` says what else there is."""

import sys

try:
    from abreast.cli.main import main
except ModuleNotFoundError as error:
    if (error.name or "").startswith("abreast."):
        raise
    print(
        f"{error.name} is not installed in {sys.executable}. Run make install, then "
        "source .venv/bin/activate; without make: pip install -e '.[dev]'",
        file=sys.stderr,
    )
    sys.exit(2)

if __name__ == "__main__":
    main()
