"""`python scripts/evaluate.py RUN ...`: the command `abreast evaluate`, for a checkout."""

from abreast.cli.main import main

if __name__ == "__main__":
    main(["evaluate"])
