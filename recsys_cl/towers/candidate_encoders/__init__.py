"""Item towers: each file has an `Encoder(spec)` from `CandidateInputs` to (n, dim) vectors, not yet normalised."""
