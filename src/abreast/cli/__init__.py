"""The command line: `python train.py ...` and `abreast SUBCOMMAND ...`."""
