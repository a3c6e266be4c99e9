"""Hydra sweeper that runs a study: `+study=loss_x_optim`, or `hydra/sweeper=abreast_study`."""
