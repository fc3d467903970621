"""Video files as frames, and frames' vectors as one: for training and evaluation; serving does not load it."""
