"""`python -m abreast` is the `abreast` command."""

from abreast.cli.main import main

if __name__ == "__main__":
    main()
