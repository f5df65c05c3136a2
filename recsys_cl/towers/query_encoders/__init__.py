"""User towers: each file has an `Encoder(spec)` from `QueryInputs` to (b, dim) vectors, not yet normalised.

Its ``reads`` names the embedding tables it needs, ``gaussian`` tells whether it gives means and variances side by side,
and ``readings``, if it has any, are the columns in which it reads a history.
"""
