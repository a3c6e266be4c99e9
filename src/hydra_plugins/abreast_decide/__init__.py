"""Hydra sweeper that trains two settings until their difference is known: `hydra/sweeper=abreast_decide`."""
