"""What all sections of a report have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Facts(BaseModel):
    """The one base of all sections: frozen, finite, and reading later reports by leaving out what it does not know."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)
