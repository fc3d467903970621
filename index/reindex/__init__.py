"""Changing a collection's model while it is served: new vectors are made beside the old ones, checked, and swapped in."""
