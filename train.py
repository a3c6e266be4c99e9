"""Train a network: `python train.py loss=cross_entropy optim=adam`; `--help` says what else there is."""

from abreast.cli.main import main

if __name__ == "__main__":
    main()
