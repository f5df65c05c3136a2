"""The best items for every user, or for those of a file, written in bounded memory and taken up again after a kill.

What the search finds is kept batch by batch, as item numbers and scores, in a folder beside the result whose name
ends in ``.parts``. A batch found there is not searched again. When all are there the table is written from them, in
order, and takes its place whole.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from recsys_cl.config import CandidatesConfig
from recsys_cl.errors import IntegrityError, RecsysError
from recsys_cl.files import digest_of, storage_trouble, whole_file
from recsys_cl.progress import SILENT, Reporter
from recsys_cl.retrieval.candidate_tables import checked_suffix, table_writer
from recsys_cl.retrieval.frames import as_text, ids_of, written_as
from recsys_cl.retrieval.id_files import read_ids
from recsys_cl.retrieval.matches import Matches
from recsys_cl.retrieval.recommendations import Recommendations
from recsys_cl.retrieval.retriever import Mask, Retriever


@dataclass(frozen=True)
class CandidatesResult:
    """What was written.

    Attributes:
        path: the table.
        rows: user and item pairs in it.
        users: users asked for.
        fallback_users: those of whom nothing is known, who were given the most popular items.
        version: of the model.
    """

    path: Path
    rows: int
    users: int
    fallback_users: int
    version: str

    def describe(self) -> dict[str, Any]:
        """Return the result JSON-ready."""
        return asdict(self) | {"path": str(self.path)}


def write_candidates(
    retriever: Retriever,
    users: pl.Series | None,
    out: Path,
    config: CandidatesConfig,
    reporter: Reporter = SILENT,
) -> CandidatesResult:
    """Write the best items for users.

    The table has `user_id` and `item_id` as they were written in the log, `score`, `rank` (from 1), `source` ("model",
    or "popularity" for users of whom nothing is known) and `version`.

    Args:
        retriever: what recommends.
        users: ids of the users; None for all there are (`Retriever.user_ids`).
        out: the table to write, ending in .parquet, .csv or .jsonl.
        config: items a user, what to leave out, users held in memory at a time.
        reporter: shows the progress.

    Raises:
        ConfigError: the format is not known.
        InputError: an id is null or of the wrong kind, a list of items cannot be read, or no item is left.
        StorageError: the disk is full or the place may not be written.
    """
    suffix = checked_suffix(out)
    if not retriever.digest:
        raise RecsysError("Candidates are written from a bundle on disk: write it, then load it.")
    work = _Work.of(retriever, users, config)
    parts = _parts_folder(out, work.fingerprint(everyone=users is None))
    started = time.perf_counter()
    with reporter.bar("candidates", len(work.texts)) as advance:
        for start in range(0, len(work.texts), config.batch_users):
            work.search(parts, start)
            done = min(start + config.batch_users, len(work.texts))
            advance(done - start, f"{done / (time.perf_counter() - started):,.0f} users/s")
    rows = fallback = 0
    with (
        whole_file(out) as scratch,
        table_writer(scratch, suffix, work.nobody(), retriever.version) as append,
    ):
        for start, matches, popular in work.found(parts):
            found = work.recommendations(start, matches, popular)
            append(found)
            rows, fallback = rows + int(found.counts.sum()), fallback + int(popular.sum())
    shutil.rmtree(parts)
    return CandidatesResult(out, rows, len(work.texts), fallback, retriever.version)


@dataclass(frozen=True)
class _Work:
    retriever: Retriever
    texts: pl.Series
    written: pl.Series
    config: CandidatesConfig
    allowed: Mask | None

    @classmethod
    def of(cls, retriever: Retriever, users: pl.Series | None, config: CandidatesConfig) -> Self:
        """Look up users and lists of items."""
        texts = retriever.user_ids if users is None else as_text(ids_of(users, "user_id"))
        written = written_as(texts, retriever.bundle.vocabulary.user_kind).alias("user_id")
        allow = read_ids(config.allow, "item_id") if config.allow else None
        deny = read_ids(config.deny, "item_id") if config.deny else None
        return cls(retriever, texts, written, config, retriever.items_mask(allow, deny))

    def fingerprint(self, *, everyone: bool) -> str:
        """Return a digest of all that the parts depend on."""
        users = None if everyone else self.texts.to_list()
        log = None if self.retriever.log is None else self.retriever.log.digest
        mask = None if self.allowed is None else np.packbits(self.allowed).tobytes().hex()
        settings = [self.config.k, self.config.exclude_seen, self.config.batch_users]
        return digest_of([self.retriever.digest, log, users, mask, settings])[:16]

    def search(self, parts: Path, start: int) -> None:
        """Find the candidates of one batch, unless they are there."""
        part = _part(parts, start)
        if part.exists():
            return
        queries = self.retriever.queries_of(self.texts[start : start + self.config.batch_users])
        matches, popular = self.retriever.rank_with_source(
            queries, self.config.k, exclude_seen=self.config.exclude_seen, allowed=self.allowed
        )
        with whole_file(part) as scratch:
            arrays = {"item_nums": matches.item_nums, "scores": matches.scores, "popular": popular}
            save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, scratch)

    def found(self, parts: Path) -> Iterator[tuple[int, Matches, Mask]]:
        """Give the candidates of each batch in order."""
        for start in range(0, len(self.texts), self.config.batch_users):
            part = _part(parts, start)
            try:
                arrays = load_file(part)
            except (OSError, SafetensorError) as error:
                raise IntegrityError(
                    f"{part} cannot be read ({error}). Remove {parts} and run the same command again."
                ) from error
            yield start, Matches(arrays["item_nums"], arrays["scores"]), arrays["popular"]

    def recommendations(self, start: int, matches: Matches, popular: Mask) -> Recommendations:
        """Put the matches of the batch that starts at user ``start`` under its users."""
        return self.retriever.recommendations(self.written[start : start + len(popular)], matches, popular)

    def nobody(self) -> Recommendations:
        """Return recommendations for no user."""
        nothing = Matches(np.zeros((0, 1), dtype=np.int32), np.zeros((0, 1), dtype=np.float32))
        return self.recommendations(0, nothing, np.zeros(0, dtype=np.bool_))


def _parts_folder(out: Path, fingerprint: str) -> Path:
    """Return the folder for the parts, and clear away those of other settings."""
    folder = out.with_name(f".{out.name}.{fingerprint}.parts")
    for stale in out.parent.glob(f".{out.name}.*.parts"):
        if stale != folder:
            shutil.rmtree(stale, ignore_errors=True)
    with storage_trouble(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def _part(parts: Path, start: int) -> Path:
    return parts / f"{start:012d}.safetensors"
