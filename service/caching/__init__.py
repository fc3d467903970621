"""What was computed before, here and in Redis."""
