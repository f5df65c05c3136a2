"""Peers are handed and marked what they should be; no peers' environment is needed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from benchmarks.peers.exchange import Log, checked, lists_of, rank_vectors, without_seen
from benchmarks.peers.logs import NAMES
from benchmarks.peers.marks import answers, marked
from benchmarks.peers.picture import draw
from benchmarks.peers.report import markdown
from benchmarks.peers.settings import CONTENDERS, LEFT_OUT, OURS
from recsys_cl.config import EvaluateConfig
from recsys_cl.evaluation.protocol import evaluate, examine
from recsys_cl.interactions.schema import COLUMNS
from recsys_cl.pairs.vocabulary import Vocabulary
from recsys_cl.retrieval.matches import Matches

# User 0 did items 3 and 1, user 1 nothing, user 2 item 0; users 2 and 0 are asked, in that order.
LOG = Log(np.array([0, 2, 2, 3]), np.array([3, 1, 0], np.int32), 5, np.array([2, 0], np.int32))


def test_a_log_comes_back_from_its_file_as_it_was(tmp_path):
    LOG.save(tmp_path / "log.npz")
    back = Log.load(tmp_path / "log.npz")
    assert (back.n_users, back.n_items) == (3, 5)
    for name in ("indptr", "item_nums", "test_users"):
        assert getattr(back, name).tolist() == getattr(LOG, name).tolist()
        assert getattr(back, name).dtype == getattr(LOG, name).dtype


def test_a_log_tells_who_did_what_in_which_order():
    assert LOG.user_nums.tolist() == [0, 0, 2]
    assert LOG.places.tolist() == [0, 1, 0]
    assert LOG.matrix.toarray().tolist() == [[0, 1, 0, 1, 0], [0] * 5, [1, 0, 0, 0, 0]]


@pytest.mark.parametrize(
    ("lists", "complaint"),
    [
        ([[1, 2], [0, 2], [0, 2]], "shape"),
        ([[1, 5], [0, 2]], "item numbers"),
        ([[1, 2], [0, 3]], "user 0 is given a seen item"),
        ([[1, 1], [0, 2]], "user 2 is given an item twice"),
    ],
)
def test_lists_that_break_the_rules_are_refused(lists, complaint):
    with pytest.raises(ValueError, match=complaint):
        checked(np.array(lists, np.int32), LOG, 2)


def test_lists_that_keep_the_rules_pass():
    lists = np.array([[1, -1], [0, 4]], np.int32)
    assert checked(lists, LOG, 2) is lists


def test_seen_items_make_way_for_empty_places():
    assert without_seen(np.array([[0, 2], [4, 1]], np.int32), LOG).tolist() == [[-1, 2], [4, -1]]


def test_vectors_are_ranked_without_seen_items_and_padded():
    items = np.array([[5.0], [4.0], [3.0], [2.0], [1.0]], np.float32)
    ranked = rank_vectors(LOG, np.array([[1.0], [-1.0]], np.float32), items, 5)
    assert ranked.tolist() == [[1, 2, 3, 4, -1], [4, 2, 0, -1, -1]]


def test_a_long_table_becomes_lists():
    users, items, ranks = np.array([0, 2, 0]), np.array([4, 1, 2]), np.array([2, 1, 1])
    assert lists_of(LOG, users, items, ranks, 2).tolist() == [[1, -1], [2, 4]]


class Given:
    """Recommends the lists it was given."""

    name = "given"

    def __init__(self, lists):
        self.lists = lists

    def rank(self, queries, k, *, exclude_seen=True):  # noqa: ARG002 - as recommenders do
        return Matches(self.lists[:, :k], np.zeros((len(queries), k), np.float32))


def frame(rows):
    users, items = zip(*rows, strict=True)
    filled = {"user_id": users, "item_id": items, "value": [1.0] * len(rows), "position": range(len(rows))}
    return pl.DataFrame({name: filled.get(name, [None] * len(rows)) for name in COLUMNS}, schema=COLUMNS)


@pytest.fixture
def examination():
    seen = frame([(f"u{user}", f"i{item}") for user in range(6) for item in range(user, user + 30)])
    test = frame([(f"u{user}", f"i{item}") for user in range(6) for item in (0, 31 + user % 3, 33, 34 + user, 99)])
    return examine(seen, test, Vocabulary.fit(seen, "string", "string")).asked


@pytest.fixture
def lists(examination):
    draw_items = np.random.default_rng(0)
    rows = [draw_items.permutation(examination.n_items) for _ in range(len(examination))]
    return np.array(rows, np.int32)[:, :20]


def test_lists_are_marked_as_our_evaluator_marks_them(examination, lists):
    theirs = evaluate(Given(lists), examination, EvaluateConfig(ks=(20,))).metrics
    marks = marked(lists, examination)
    assert theirs["recall_at_20"] > 0
    assert marks["recall_at_20"] == pytest.approx(theirs["recall_at_20"])
    assert marks["ndcg_at_20"] == pytest.approx(theirs["ndcg_at_20"])
    low, high = marks["recall_interval"]
    assert low < marks["recall_at_20"] < high


def test_answers_say_all_that_is_relevant(examination, lists):
    """Recall by counting, from what the peers' evaluators are handed, is the recall of our own."""
    told = answers(examination)
    assert (told["items"] >= examination.n_items).sum() == examination.unknown.sum() > 0
    recalls = []
    for row, given in enumerate(lists):
        right = set(told["items"][told["rows"] == row].tolist())
        assert len(right) == examination.n_relevant[row]
        recalls.append(len(right & set(given.tolist())) / len(right))
    assert np.mean(recalls) == pytest.approx(marked(lists, examination)["recall_at_20"])


def run(recall, ndcg, seconds, *, ours=False):
    return {
        "settings": {"factors": 8} if not ours else {},
        "source": "library",
        "ours": ours,
        "measured_at": "2026-01-01T00:00+00:00",
        "machine": "a processor",
        "recall_at_20": recall,
        "ndcg_at_20": ndcg,
        "recall_interval": [recall - 0.01, recall + 0.01],
        "train_cpu_seconds": seconds,
        "train_wall_seconds": seconds,
        "recommend_cpu_seconds": 0.5,
        "recommend_wall_seconds": 0.5,
        "peak_mib": 1234,
        "bytes_per_item": 260.0,
        "threads": 1,
        "libraries": {"numpy": "2.0"},
    }


def results():
    told = {name: run(0.2, 0.1, 1.0)[name] for name in ("settings", "source", "ours", "measured_at", "machine")}
    contenders = {
        "two towers": run(0.21, 0.15, 30.0, ours=True),
        "EASE": run(0.25, 0.14, 0.0),
        "SASRec": told | {"stopped_after_cpu_seconds": 1800},
        "LightGCN": told | {"left_out": "it is too big"},
    }
    said = {"recall_at_20": 0.21, "ndcg_at_20": 0.15}
    return {
        "a log": {
            "users": 10,
            "items": 20,
            "interactions": 3000,
            "test_users": 9,
            "ceiling": 0.9,
            "contenders": contenders,
            "check": {"of": "two towers", "rectools": said, "implicit": {"ndcg_at_20": 0.15}},
        }
    }


def test_the_tables_show_the_best_in_bold_and_name_losses_and_excuses():
    told = markdown(results())
    assert "| **two towers** (ours) | 0.2100 | 0.200 to 0.220 | **0.1500** | 30.0 |" in told
    assert "| EASE | **0.2500** |" in told
    assert "- a log, recall@20: EASE 0.2500; ours 0.2100 (two towers)" in told
    assert "- a log, NDCG@20: nobody; ours 0.1500 (two towers)" in told
    assert "| SASRec | stopped at the limit of 30 CPU minutes |" in told
    assert "| LightGCN | left out: it is too big |" in told
    assert "Not run yet: " in told
    assert "BPR (RecBole)" in told.partition("Not run yet: ")[2].partition(".")[0]
    tables = [block.splitlines() for block in told.split("\n\n") if block.startswith("|")]
    assert all(len({line.count("|") for line in table}) == 1 for table in tables)


def test_the_picture_shows_whoever_finished(tmp_path):
    draw(results(), tmp_path / "peers.png")
    assert (tmp_path / "peers.png").read_bytes().startswith(b"\x89PNG")


def test_every_contender_has_its_file_and_every_excuse_its_contender():
    root = Path(__file__).resolve().parents[2]
    for contender in CONTENDERS.values():
        assert (root / contender.module.replace(".", "/")).with_suffix(".py").is_file()
    assert {name for _, name in LEFT_OUT} <= set(CONTENDERS) - set(OURS)
    assert {log for log, _ in LEFT_OUT} <= set(NAMES)
