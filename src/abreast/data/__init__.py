"""Where the data come from: each source is a plain function that returns a `Source`."""
