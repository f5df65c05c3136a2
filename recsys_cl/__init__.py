"""A retrieval pipeline for recommenders: interaction logs in, served candidates out."""

from importlib.metadata import version

__version__ = version("recsys-cl")
