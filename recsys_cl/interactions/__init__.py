"""Logs in: readers per format, cleaning and quarantine, snapshots, splits, the synthetic sample."""
