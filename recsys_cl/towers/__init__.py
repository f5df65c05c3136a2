"""Encoders of users (queries) and items (candidates)."""
