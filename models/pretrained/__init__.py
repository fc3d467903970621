"""open_clip models by name: found, loaded, with their tokenizers; below all that trains or exports them."""
