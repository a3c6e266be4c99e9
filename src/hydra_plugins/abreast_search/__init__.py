"""Hydra's sweeper that searches with Optuna, many trials side by side: `hydra/sweeper=abreast_search`."""
