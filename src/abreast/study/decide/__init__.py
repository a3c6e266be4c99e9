"""`decide`: two settings, trained on more and more seeds until their difference is known."""
