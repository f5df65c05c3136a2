"""User towers: each file has an `Encoder(spec)` from `QueryInputs` to (b, dim) vectors, not yet normalised."""
