"""The kinds of index, one a file, found by the name of the file.

Each is plain data, in FAISS's words but without FAISS: ``factory(n_items, dim) -> str`` gives the description that
FAISS builds from, and ``SEARCHES`` lists search parameters from quick and coarse to slow and thorough. The first
that reaches the recall asked for is the kind's best.
"""
