"""The baselines, one a file, found by the name of the file.

Each has ``fit(histories, *, seed, config) -> Recommender``, with ``histories`` of the same training part that the
model had. All recommend from the history a query brings, so that users never seen in training are served alike.
Their settings are published defaults, not tuned to any log. A baseline that does not suit raises `NotApplicable`.
"""
