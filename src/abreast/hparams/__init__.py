"""What TensorBoard's HPARAMS shows of runs that are beside each other. No torch."""
