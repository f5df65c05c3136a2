"""The contenders, one file each: ``fit(log, **settings)`` learns from a `Log` and returns what was `Fitted`."""
