"""Item towers: each file has an `Encoder(dim)` from `CandidateInputs` to (n, dim) vectors, not yet normalised."""
