"""From configuration to objects: the only package that does so."""
