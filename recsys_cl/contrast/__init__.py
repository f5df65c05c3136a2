"""Contrastive learning proper: similarities, objectives and their score transforms."""
