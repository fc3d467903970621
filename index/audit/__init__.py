"""What is likely wrong with a published collection: captions of other pictures, strange pictures, hubs, broken files."""
