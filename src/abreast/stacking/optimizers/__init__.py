"""The optimizers of many lanes: unmodified ones over shared parameters, or one update for all of them."""
