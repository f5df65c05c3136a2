"""Augmentations: each file makes another view of a thing that is still the same thing.

It has ``of_history(inputs, strength, generator)``, `QueryInputs` to `QueryInputs`, ``of_item``, `CandidateInputs` to
`CandidateInputs`, or ``of_vectors(vectors, strength, generator)``, (n, d) to (n, d). ``strength`` in (0, 1) is the
share that is changed, unless the file says otherwise.
"""
