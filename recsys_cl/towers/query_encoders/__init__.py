"""User towers: each file has an `Encoder(dim)` from `QueryInputs` to (b, dim) vectors, not yet normalised."""
