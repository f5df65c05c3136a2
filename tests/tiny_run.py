"""Settings with which a run over a tiny log takes a second."""

from __future__ import annotations

# Any gate lets such a model through, unless a test asks for more.
TINY = [
    *("--budget", "0s", "--epochs", "2", "--embedding-dim", "8", "--batch-size", "128", "--uniform-negatives", "16"),
    *("--baselines", "popularity", "--bootstrap-samples", "100", "--no-beat-popularity"),
]
