"""Objectives: each file has an `Objective(config)`, a module that turns a `Contrast` into a loss to be lowered."""
