"""Texts that every exported model is tried with."""

SAMPLE_TEXTS = (
    "",
    "a red circle",
    "a photo of two dogs playing on a beach at sunset",
    "It's 1999! naïve café, ÜBER 東京 🎉 <b>tags</b> &amp; more_or less",
    # longer than any context
    "one two " * 200,
)
