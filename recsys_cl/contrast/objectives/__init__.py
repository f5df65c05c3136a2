"""Objectives: each file has a `Config` and an `Objective(config, context)` from a `Step` to a loss to be lowered.

``observe`` is told of each step after it was taken; ``served``, if there is such, makes of the towers that learn those
that serve. ``USES_NEGATIVES = False`` says that it cannot go with anything that contrasts, ``USES_TEMPERATURE = False``
that it has a temperature of its own or none.
"""
