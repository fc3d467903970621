"""Graphics cards: they learn and build what is then served on any machine, and search beside the index that is on disk."""
