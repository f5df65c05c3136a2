"""Vectors searched: the FAISS index, the retriever, filters, candidates for every user."""
