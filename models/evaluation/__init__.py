"""Evaluation of dual encoders; numpy only."""
