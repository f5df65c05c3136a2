"""The machine and the versions a measurement was made with."""

from __future__ import annotations

from recsys_cl.machine import description

__all__ = ["description"]
