"""Losses: each file has its `Config` and ``loss(contrast, config)``, () to be lowered.

Those that are functions of scores alone are written as such, from `Scored` to one loss a positive, and given to
`blocks`. ``NEEDS_DISTANCE`` says that scores must be negative squared distances, ``NEEDS_PRODUCT`` that they must be
inner products of the vectors themselves, of either sign; ``TAKES_BIAS = False`` that an item's own score would make no
sense in it; ``USES_NEGATIVES = False`` that it does not contrast; ``USES_TEMPERATURE = False`` that it compares scores
as they are. A setting's ``Search`` is where `recsys-cl tune` looks for it.
"""
