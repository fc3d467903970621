"""Collections that outgrow one machine's memory: their vectors in Milvus, everything else in Lance as always.

What is in Milvus is derived, like a FAISS snapshot: it can be thrown away and pushed again. pymilvus is loaded by
`index.milvus.connection` alone, and only when a server is spoken to.
"""
