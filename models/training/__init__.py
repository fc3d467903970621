"""Training of dual encoders; the only package beside `models.export` that imports torch."""
