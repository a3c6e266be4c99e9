"""What is measured, and which way is better."""
