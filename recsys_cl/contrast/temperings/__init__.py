"""Temperatures: each file has a `Config` and a `Tempering`, which gives what a batch's similarities are divided by.

``USES_TEMPERATURE = False`` says that the temperature which is given hardly matters.
"""
