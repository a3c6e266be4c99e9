"""`python scripts/predict.py RUN ...`: the command `abreast predict`, for a checkout."""

from abreast.cli.main import main

if __name__ == "__main__":
    main(["predict"])
