"""How a user and an item are compared: each file is a similarity that one inner product can search.

It has ``queries`` and ``candidates``, which map (b, d) and (n, d) encoder outputs to vectors whose inner products are
the similarities, ``dim``, the length of those for a ``d``, ``point_dim``, how many of their leading coordinates are
where a vector points, and ``GAUSSIAN``, whether encoders give means and variances side by side. ``IS_DISTANCE`` says
that similarities are negative squared distances. ``query_divisor`` tells, where parts can be joined, by what it divides
so many readings of a history, each of length one, side by side.

Because training and FAISS both see no more than inner products, what is served is ranked as it was learned.
"""
