"""What was said, and who may see it."""
