"""What all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings


# A shared machine may be slow at any moment; that is no finding.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the optional folder of real logs; skip the test where there is none."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("RECSYS_CL_SHARED_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"no real logs at {folder}; set RECSYS_CL_SHARED_DATA")
    return folder
