"""Search by words: BM25 over captions and text columns, through Lance's full-text index."""
