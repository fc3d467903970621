"""Collections of images: from files to a published FAISS snapshot."""
