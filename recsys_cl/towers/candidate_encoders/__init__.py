"""Item towers: each file has an `Encoder(spec)` from `CandidateInputs` to (n, dim) vectors, not yet compared.

Its ``gaussian`` tells whether it gives means and variances side by side, and ``takes_features`` whether it asks what
else is known of an item.
"""
