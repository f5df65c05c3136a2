"""Contrastive learning proper: losses, objectives, the closed form, and diagnostics of the space they make."""
