"""What evaluation asks of anything that recommends."""

from __future__ import annotations

from typing import Protocol

from recsys_cl.errors import RecsysError
from recsys_cl.pairs.histories import Queries
from recsys_cl.retrieval.matches import Matches


class NotApplicable(RecsysError):  # noqa: N818 - not an error of anyone's; a reason to leave a baseline out
    """A baseline cannot be fitted to this log or on this machine; reports show it as skipped, with the reason."""


class Recommender(Protocol):
    """A retriever or a baseline, seen from evaluation."""

    @property
    def name(self) -> str:
        """The name reports use."""
        ...

    def rank(self, queries: Queries, k: int, *, exclude_seen: bool = True) -> Matches:
        """Return the best ``k`` items of the catalogue for each query, (q, k).

        With ``exclude_seen`` no item of a query's own history is returned. Rows with fewer than ``k`` items left
        are padded with -1. Ties go to the lower item number. A batch gives what its queries give one by one.
        """
        ...
