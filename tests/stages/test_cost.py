"""What is reckoned to take time: more dimensions, another closed form, a prior to be found, users to be asked."""

from __future__ import annotations

from dataclasses import astuple
from itertools import count

import numpy as np
import polars as pl
import pytest

from recsys_cl.evaluation.protocol import Examination
from recsys_cl.pairs.histories import Histories, Queries
from recsys_cl.stages.cost import Cost, Judging
from recsys_cl.training.prior import STRENGTHS

USERS, ITEMS = 1000, 40
LITTLE = Judging(fit=1.0, join=2.0, epoch=0.5)
COST = Cost(dim=64, solving=8.0, looking=0.5, teaching=3.0, looks=6)


def examination() -> Examination:
    histories = Histories(
        np.arange(USERS + 1), np.arange(USERS, dtype=np.int32) % ITEMS, None, np.ones(USERS, np.float32), ITEMS
    )
    relevant = Histories(
        np.arange(USERS + 1), (np.arange(USERS, dtype=np.int32) + 1) % ITEMS, None, np.ones(USERS, np.float32), ITEMS
    )
    ids, nothing = pl.Series("user_id", [str(user) for user in range(USERS)]), np.zeros(USERS, np.int64)
    queries = Queries(np.arange(USERS, dtype=np.int32), histories)
    return Examination(ids, queries, relevant, nothing, False, np.ones(ITEMS, np.int64))


def test_more_dimensions_cost_more_of_everything():
    grown = COST.grown(256)
    assert astuple(grown.grown(64)) == pytest.approx(astuple(COST))
    assert grown.solving > 4 * COST.solving
    assert COST.looking < grown.looking < 4 * COST.looking
    assert grown.search == grown.solving + 6 * grown.looking
    assert grown.search_of_neighbours > grown.search


def test_what_follows_is_refits_alone_where_the_closed_form_is_not_served():
    alone, both = (COST.later(LITTLE, neighbours=neighbours, served=False) for neighbours in (False, True))
    assert alone == COST.solving
    assert both > 2 * COST.solving
    for neighbours, refits in ((False, alone), (True, both)):
        assert COST.later(LITTLE, neighbours=neighbours, served=True) > refits + LITTLE.fit


def test_judging_takes_as_long_as_its_users_and_priors():
    one_second = count()
    timed = [
        Judging.timed(examination(), examination().queries.histories, 0, lambda: next(one_second), with_prior=prior)
        for prior in (True, False)
    ]
    once = USERS / 500  # five hundred were timed, a second in all
    tried = 1 + len(STRENGTHS)  # without times there are no half-lives
    assert timed[0].fit == pytest.approx((tried + 1) * once)
    assert timed[0].epoch == pytest.approx(tried * once)
    assert timed[1].fit == pytest.approx(2 * once)
    assert timed[1].epoch == pytest.approx(once)
    for one in timed:
        assert one.join > one.fit
