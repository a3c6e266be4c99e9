"""Every mistake in a configuration, found before training and without importing torch."""
