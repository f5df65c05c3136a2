"""From the towers of a run to a bundle in memory, with an index over the items."""

from __future__ import annotations

import numpy as np

from recsys_cl.config import IndexConfig
from recsys_cl.pairs.histories import Queries
from recsys_cl.retrieval.bundle import Bundle, items_table
from recsys_cl.retrieval.tuning import build_index
from recsys_cl.stages.job import Job
from recsys_cl.stages.pairs import FittedOn, Prepared
from recsys_cl.towers.two_tower import TwoTower


def assemble(job: Job, prepared: Prepared, towers: TwoTower, fitted_on: FittedOn, config: IndexConfig) -> Bundle:
    """Put towers fitted on ``fitted_on`` together with their vocabulary, histories and an index."""
    vocabulary, histories = prepared.vocabulary(fitted_on), prepared.histories(fitted_on)
    chosen = np.random.default_rng(job.config.seed).permutation(vocabulary.n_users)[: config.tuning_queries]
    queries = Queries(chosen.astype(np.int32), histories.take(chosen))
    search, report = build_index(
        towers.item_vectors(),
        towers.query_vectors(queries),
        config,
        k=job.config.candidates.k,
        seed=job.config.seed,
        reporter=job.reporter,
    )
    return Bundle(
        towers,
        vocabulary,
        items_table(vocabulary, histories, prepared.items()),
        histories,
        search,
        report,
        job.config.model_dump(mode="json"),
    )
