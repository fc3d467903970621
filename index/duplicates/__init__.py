"""Pictures that are there more than once: found in a published collection, kept beside it, folded together in answers."""
