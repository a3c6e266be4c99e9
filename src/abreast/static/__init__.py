"""Python source read without importing it: definitions, signatures, annotations. No torch."""
