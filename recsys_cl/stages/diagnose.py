"""From a bundle, or an examination, to a look into the space of its vectors."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from recsys_cl import __version__
from recsys_cl.config import DiagnoseConfig
from recsys_cl.evaluation.alarms import alarms
from recsys_cl.evaluation.diagnosis_html import Diagnosis
from recsys_cl.evaluation.diagnostic_facts import DiagnosticFacts
from recsys_cl.evaluation.diagnostics import diagnose as diagnose_space
from recsys_cl.evaluation.facts import EvaluationReport
from recsys_cl.evaluation.protocol import Examination
from recsys_cl.evaluation.space import HeldOut, Space, Vectors, some
from recsys_cl.files import whole_file
from recsys_cl.pairs.histories import Queries
from recsys_cl.retrieval.bundle import REPORT
from recsys_cl.retrieval.exact import rank_same
from recsys_cl.retrieval.retriever import Retriever
from recsys_cl.stages.candidates import locate_bundle
from recsys_cl.stages.job import Job
from recsys_cl.towers.two_tower import TwoTower
from recsys_cl.workspace import checked_name

_LIST_PRODUCTS = 1 << 35  # multiplications that lists may take: half a second or so
_FEWEST_LISTS = 500  # of users, at least, if there are so many


@dataclass(frozen=True)
class Compared:
    """Vectors as they are compared, and as they are searched.

    What is added to an item's score for every query alike takes a coordinate of its own in the vectors that are
    searched; it is no part of the space in which users and items are compared.

    Attributes:
        users: (q, d) of some users.
        items: (n_items, d) of all items.
        offsets: (n_items,) what is added to the score of each item.
        queries: (q, s) with which these users search.
        catalogue: (n_items, s) what is searched.
    """

    users: Vectors
    items: Vectors
    offsets: Vectors
    queries: Vectors
    catalogue: Vectors


def compared(towers: TwoTower, queries: Queries) -> Compared:
    """Take vectors from towers: the one place where diagnostics ask how these are made."""
    items = towers.item_vectors(with_offsets=False)
    searched, catalogue = towers.query_vectors(queries), towers.item_vectors()
    dim, added = towers.point_dim, catalogue[:, items.shape[1] :].sum(axis=1)
    return Compared(searched[:, :dim], items[:, :dim], added, searched, catalogue)


def diagnose(job: Job, location: str | None, out: Path | None) -> dict[str, Any]:
    """Look into the space of a bundle and write a page about it.

    Of pairs held out there is what the bundle's own report says, if the towers it examined are those of the bundle.

    Args:
        job: place, name, settings.
        location: the bundle's path or address; None for the champion of the job's name.
        out: the page to write; by default in the workspace.

    Returns:
        ``name`` and ``version`` of the model, ``diagnostics``, ``alarms``, and ``page``, the path of the page.
    """
    found = locate_bundle(job, location)
    retriever, config = Retriever.load(found), job.config
    seen = look_into(retriever, everyone(retriever), config.diagnose, seed=config.seed)
    diagnostics = _with_held_out(seen, found.folder / REPORT)
    diagnosis = Diagnosis(
        name=retriever.name,
        version=retriever.version,
        created=job.now,
        package_version=__version__,
        diagnostics=diagnostics,
        alarms=alarms(diagnostics, config.gate),
    )
    page = out or job.workspace.diagnosis(checked_name(retriever.name), retriever.version)
    with whole_file(page) as scratch:
        scratch.write_text(diagnosis.as_html(), encoding="utf-8")
    facts = diagnosis.model_dump(mode="json")
    return {name: facts[name] for name in ("name", "version", "diagnostics", "alarms")} | {"page": str(page)}


def _with_held_out(seen: DiagnosticFacts, report: Path) -> DiagnosticFacts:
    """Add what was measured on held-out pairs when the bundle was examined."""
    if not report.exists():
        return seen
    stored = EvaluationReport.from_json(report.read_text(encoding="utf-8"))
    examined = stored.diagnostics
    if examined is None or stored.registered_on != stored.evaluated_on:
        return seen
    held_out = {name: getattr(examined.alignment, name) for name in ("held_out", "held_out_share")}
    alignment = seen.alignment.model_copy(update=held_out)
    return seen.model_copy(update={"alignment": alignment, "information": examined.information})


def examined_space(job: Job, model: Retriever, examination: Examination) -> DiagnosticFacts:
    """Look into the space of a model with the users it is examined with, and what they did next."""
    config, seed = job.config.diagnose, job.config.seed
    held_out = held_out_pairs(model, examination, config, seed=seed)
    return look_into(model, examination.asked.queries, config, seed=seed, held_out=held_out)


def everyone(retriever: Retriever) -> Queries:
    """Return all users of a bundle, with their histories."""
    histories = retriever.bundle.histories
    return Queries(np.arange(len(histories), dtype=np.int32), histories)


def look_into(
    retriever: Retriever, queries: Queries, config: DiagnoseConfig, *, seed: int, held_out: HeldOut | None = None
) -> DiagnosticFacts:
    """Look into the space of a retriever's vectors.

    Args:
        retriever: whose.
        queries: users, of whom some are drawn.
        config: how many.
        seed: of all that is drawn.
        held_out: pairs the towers have not seen, where there are such.
    """
    drawn = some(np.random.default_rng(seed), np.arange(len(queries)), config.diagnosed_users)
    asked = Queries(queries.user_nums[drawn], queries.histories.take(drawn))
    found, table = compared(retriever.bundle.towers, asked), retriever.bundle.items
    columns = {name: table[name].to_list() for name in ("categories", "title") if table[name].count()}
    lists, one_list = _lists(retriever, asked, found, config.diagnosed_k)
    space = Space(
        users=found.users,
        items=found.items,
        offsets=found.offsets,
        there_are=len(queries),
        histories=asked.histories,
        interactions=table["interactions"].to_numpy().astype(np.int64),
        categories=columns.get("categories"),
        titles=columns.get("title"),
        lists=lists,
        one_list=one_list,
        held_out=held_out,
    )
    return diagnose_space(space, config, seed=seed)


def held_out_pairs(model: Retriever, examination: Examination, config: DiagnoseConfig, *, seed: int) -> HeldOut | None:
    """Draw pairs of test users and what they took that was new to them; None where there are none."""
    asked = examination.asked
    rows, items = asked.relevant.cells(0, len(asked))
    chosen = some(np.random.default_rng(seed), np.arange(len(rows)), config.diagnosed_pairs)
    if len(chosen) == 0:
        return None
    queries = Queries(asked.queries.user_nums[rows[chosen]], asked.queries.histories.take(rows[chosen]))
    found = compared(model.bundle.towers, queries)
    return HeldOut(
        users=found.users,
        item_nums=items[chosen],
        seen=queries.histories,
        queries=found.queries,
        catalogue=found.catalogue,
        counts=asked.relevant.counts(),
    )


Lists = npt.NDArray[np.int32]


def _lists(retriever: Retriever, queries: Queries, found: Compared, k: int) -> tuple[Lists, Lists] | tuple[None, None]:
    """Return what users are given, and what they would be if all had the mean of their vectors, each (q, k) at most."""
    sound = np.isfinite(found.queries).all() and np.isfinite(found.catalogue).all()
    if len(queries) == 0 or not sound:
        return None, None
    queries = queries.slice(0, max(_FEWEST_LISTS, _LIST_PRODUCTS // max(found.catalogue.size, 1)))
    k = min(k, max(1, len(found.catalogue) // 10))  # long lists from a short catalogue cannot but be alike
    alike = found.catalogue @ found.queries.mean(axis=0)
    return retriever.rank(queries, k).item_nums, rank_same(alike, len(queries), k, seen=queries.histories).item_nums
