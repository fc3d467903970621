"""Rendered scenes: the corpus that ships with the code."""
