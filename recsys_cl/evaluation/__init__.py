"""Honest offline evaluation: metrics, protocol, baselines, report."""
