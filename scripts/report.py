"""`python scripts/report.py SWEEP ...`: the command `abreast report`, for a checkout."""

from abreast.cli.main import main

if __name__ == "__main__":
    main(["report"])
