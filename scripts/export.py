"""`python scripts/export.py RUN ...`: the command `abreast export`, for a checkout."""

from abreast.cli.main import main

if __name__ == "__main__":
    main(["export"])
