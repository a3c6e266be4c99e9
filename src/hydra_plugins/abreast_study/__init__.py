"""Hydra's sweeper that conducts a study: `+study=loss_x_optim`, or `hydra/sweeper=abreast_study`."""
