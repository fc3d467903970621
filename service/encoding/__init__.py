"""Texts and pictures to vectors, for many requests at once."""
