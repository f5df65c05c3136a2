"""Towers: what encoders make of histories and ids, and that vectors survive being saved."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from recsys_cl.errors import ConfigError, InputError, IntegrityError
from recsys_cl.families import member, members
from recsys_cl.pairs.histories import Histories, Queries
from recsys_cl.towers.inputs import CandidateInputs, QueryInputs
from recsys_cl.towers.spec import Reading, TowerSpec, shared_out
from recsys_cl.towers.two_tower import TwoTower


def spec(**changes):
    values = {
        "n_users": 3,
        "n_items": 5,
        "embedding_dim": 4,
        "query_encoder": "history_and_id",
        "candidate_encoder": "item_id",
        "similarity": "dot",
        "history_length": 3,
    } | changes
    if values["query_encoder"] == "gaussian_history":
        values |= {"candidate_encoder": "gaussian_item_id", "similarity": values["similarity"].replace("dot", "kl")}
    values.setdefault("readings", shared_out(values["embedding_dim"], [(0.0,)]))
    return TowerSpec(**values)


def towers(**changes):
    made = TwoTower(spec(**changes))
    generator = torch.Generator().manual_seed(0)
    for table in made.tables.values():
        table.normal_(generator=generator)
    return made


def queries(users, rows, n_items=5):
    flat = np.array([item for row in rows for item in row], dtype=np.int32)
    indptr = np.cumsum([0, *map(len, rows)], dtype=np.int64)
    histories = Histories(indptr, flat, None, np.ones(len(flat), np.float32), n_items)
    return Queries(np.array(users, dtype=np.int32), histories)


ASKED = queries([0, 2, -1, -1, 1], [[0, 1], [4, 4, 3, 2], [1], [], []])


def test_a_user_is_their_row_and_the_mean_of_their_recent_history():
    made = towers()
    user, item = (made.tables[name].numpy() for name in ("user", "item"))
    expected = [
        user[0] + (item[0] + item[1]) / 2,
        user[2] + (item[4] + item[3] + item[2]) / 3,  # only the three most recent count
        item[1],
        np.zeros(4),
        user[1],
    ]
    np.testing.assert_allclose(made.query_vectors(ASKED), expected, atol=1e-6)


def test_history_alone_has_no_user_table():
    made = towers(query_encoder="history")
    assert made.tables["user"].shape == (0, 4)
    item = made.tables["item"].numpy()
    vectors = made.query_vectors(ASKED)
    np.testing.assert_allclose(vectors[0], (item[0] + item[1]) / 2, atol=1e-6)
    assert (vectors[3:] == 0).all()


def unit(vector):
    return vector / np.linalg.norm(vector)


def test_an_aged_history_counts_the_latest_most():
    made = towers(query_encoder="aged_history", readings=shared_out(4, [(0.5,)]))
    assert made.history_table == "context"
    assert made.tables["user"].shape == (0, 4)
    context = made.tables["context"].numpy()
    expected = [
        unit(context[1] + context[0] / np.sqrt(2)),
        unit(context[2] + context[3] / np.sqrt(2) + context[4] / np.sqrt(3)),  # only the three most recent count
        unit(context[1]),
        np.zeros(4),
        np.zeros(4),
    ]
    np.testing.assert_allclose(made.query_vectors(ASKED), expected, atol=1e-6)


def test_a_reading_with_several_powers_of_age_is_the_mean_of_what_each_gives():
    ages = (0.0, 0.5, 3.0)
    made, *alone = (
        towers(query_encoder="aged_history", readings=shared_out(4, [powers])) for powers in (ages, *zip(ages))
    )
    expected = np.mean([one.query_vectors(ASKED) for one in alone], axis=0)
    np.testing.assert_allclose(made.query_vectors(ASKED), expected, atol=1e-6)
    assert 0 < np.linalg.norm(expected[0]) < 1


def test_each_reading_has_columns_and_a_length_of_its_own():
    ages = [(0.5,), (2.0, 3.0)]
    made = towers(query_encoder="aged_history", readings=shared_out(4, ages))
    apart = [towers(query_encoder="aged_history", embedding_dim=2, readings=shared_out(2, [age])) for age in ages]
    for number, one in enumerate(apart):
        one.tables["context"] = made.tables["context"][:, 2 * number : 2 * number + 2].clone()
    np.testing.assert_allclose(
        made.query_vectors(ASKED), np.hstack([one.query_vectors(ASKED) for one in apart]), atol=1e-6
    )


@pytest.mark.parametrize(
    ("dim", "ages", "columns"), [(7, [(0.0,), (1.0, 3.0), (2.0,)], [3, 2, 2]), (2, [(0.5,), (1.0,), (2.0,)], [1, 1])]
)
def test_columns_are_shared_out_among_readings(dim, ages, columns):
    readings = shared_out(dim, ages)
    assert [one.embedding_dim for one in readings] == columns
    assert [one.age_exponents for one in readings] == ages[: len(columns)]


def test_without_an_age_exponent_a_history_is_a_set():
    made = towers(query_encoder="aged_history", history_length=9)
    forwards, backwards, twice = made.query_vectors(queries([-1] * 3, [[0, 1, 2], [2, 1, 0], [0, 1, 2, 0, 1, 2]]))
    context = made.tables["context"].numpy()
    np.testing.assert_allclose(forwards, unit(context[:3].sum(axis=0)), atol=1e-6)
    np.testing.assert_allclose(backwards, forwards, atol=1e-6)
    np.testing.assert_allclose(twice, forwards, atol=1e-6)


def test_each_encoder_has_just_the_tables_that_it_reads():
    for name in members("recsys_cl.towers.query_encoders"):
        made = towers(query_encoder=name)
        reads = member("recsys_cl.towers.query_encoders", name).Encoder.reads
        assert {table for table, rows in made.tables.items() if len(rows)} == reads | {"item"}
        assert made.history_table in reads


@pytest.mark.parametrize("encoder", members("recsys_cl.towers.query_encoders"))
def test_the_digest_follows_what_they_are_made_of_and_every_weight(encoder):
    made, again = (towers(query_encoder=encoder) for _ in range(2))
    assert made.digest == again.digest
    other = "wasserstein" if encoder == "gaussian_history" else "cosine"
    digests = {made.digest, towers(query_encoder=encoder, similarity=other).digest}
    for tensor in again.state().values():
        if tensor.numel():
            tensor.view(-1)[-1] += 1
            digests.add(again.digest)
    assert len(digests) == 2 + sum(tensor.numel() > 0 for tensor in again.state().values())


def test_joined_towers_score_the_weighted_sum_of_their_parts():
    parts = [
        towers(
            query_encoder="aged_history",
            readings=shared_out(dim, ages),
            embedding_dim=dim,
            similarity=like,
            item_bias=biased,
        )
        for ages, dim, like, biased in (([(1.0, 2.0)], 4, "dot", False), ([(0.0,), (2.0,)], 3, "cosine", True))
    ]
    parts[1].tables["bias"] += torch.arange(parts[1].spec.n_items)[:, None]
    joined = TwoTower.joined(parts, (0.3, 0.7))
    scores = [part.query_vectors(ASKED) @ part.item_vectors().T for part in parts]
    expected = 0.3 * scores[0] + 0.7 * scores[1]
    np.testing.assert_allclose(joined.query_vectors(ASKED) @ joined.item_vectors().T, expected, atol=1e-6)
    assert joined.spec.embedding_dim == 7


def test_a_bias_is_added_whoever_asks():
    plain, biased = towers(), towers(item_bias=True)
    scores = plain.query_vectors(ASKED) @ plain.item_vectors().T
    bias = np.linspace(-1, 1, plain.spec.n_items, dtype=np.float32)
    biased.set_state(plain.state() | {"bias_table": torch.from_numpy(bias)[:, None]})
    np.testing.assert_allclose(biased.query_vectors(ASKED) @ biased.item_vectors().T, scores + bias, atol=1e-6)
    np.testing.assert_array_equal(biased.item_vectors(with_offsets=False), plain.item_vectors())
    biased.set_prior(bias)
    np.testing.assert_allclose(biased.query_vectors(ASKED) @ biased.item_vectors().T, scores + 2 * bias, atol=1e-6)


def test_readings_that_do_not_make_up_the_vectors_are_refused():
    with pytest.raises(ConfigError, match="have 3 columns in all, but vectors 4"):
        towers(query_encoder="aged_history", readings=(Reading(embedding_dim=3, age_exponents=(0.0,)),))


def test_cosine_vectors_have_length_one_and_nobody_stays_zero():
    made = towers(similarity="cosine")
    lengths = np.linalg.norm(made.query_vectors(ASKED), axis=1)
    np.testing.assert_allclose(lengths, [1, 1, 1, 0, 1], atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(made.item_vectors(), axis=1), 1, atol=1e-6)
    assert made.item_vectors().dtype == np.float32


@pytest.mark.parametrize("encoder", members("recsys_cl.towers.query_encoders"))
def test_a_batch_gives_what_its_queries_give_one_by_one(encoder):
    made = towers(query_encoder=encoder, similarity="wasserstein" if encoder == "gaussian_history" else "cosine")
    together = made.query_vectors(ASKED)
    np.testing.assert_allclose(made.query_vectors(ASKED, block=2), together, atol=1e-6)
    for row in range(len(ASKED)):
        np.testing.assert_allclose(made.query_vectors(ASKED.slice(row, row + 1)), together[row : row + 1], atol=1e-6)
    np.testing.assert_array_equal(made.item_vectors(block=2), made.item_vectors())
    assert made.query_vectors(queries([], [])).shape == (0, made.compared_dim)


@pytest.mark.parametrize("encoder", members("recsys_cl.towers.query_encoders"))
def test_saved_and_loaded_they_are_equal(encoder, tmp_path):
    made = towers(query_encoder=encoder, similarity="wasserstein" if encoder == "gaussian_history" else "cosine")
    with torch.no_grad():
        for weight in made.query.parameters():
            weight.uniform_(0.5, 1.5)
    made.save(tmp_path)
    loaded = TwoTower.load(tmp_path)
    assert loaded.spec == made.spec
    np.testing.assert_array_equal(loaded.query_vectors(ASKED), made.query_vectors(ASKED))
    np.testing.assert_array_equal(loaded.item_vectors(), made.item_vectors())


def test_damaged_files_are_refused_by_name(tmp_path):
    towers().save(tmp_path)
    weights = tmp_path / "towers.safetensors"
    weights.write_bytes(weights.read_bytes()[:-3])
    with pytest.raises(IntegrityError, match=r"towers\.safetensors"):
        TwoTower.load(tmp_path)
    towers(n_items=9).save(tmp_path)
    description = tmp_path / "towers.json"
    description.write_text(description.read_text().replace('"n_items": 9', '"n_items": 8'))
    with pytest.raises(IntegrityError, match=r"towers\.json"):
        TwoTower.load(tmp_path)
    weights.unlink()
    with pytest.raises(IntegrityError, match=r"towers\.safetensors"):
        TwoTower.load(tmp_path)
    description.unlink()
    with pytest.raises(IntegrityError, match=r"towers\.json"):
        TwoTower.load(tmp_path)


def test_queries_of_another_vocabulary_are_refused():
    with pytest.raises(InputError, match="7 items"):
        towers().query_vectors(queries([0], [[1]], n_items=7))
    with pytest.raises(InputError, match="User number 3"):
        towers().query_vectors(queries([3], [[1]]))


def test_an_unknown_encoder_is_refused_with_the_nearest_name():
    with pytest.raises(ConfigError, match="history_and_id"):
        TwoTower(spec(query_encoder="history_and_idd"))
    with pytest.raises(ConfigError, match="item_id"):
        TwoTower(spec(candidate_encoder="item_ids"))


@pytest.mark.parametrize("encoder", members("recsys_cl.towers.query_encoders"))
def test_features_are_refused_by_encoders_that_take_none(encoder):
    table, none = torch.zeros(2, 4), torch.zeros(0, dtype=torch.int64)
    inputs = QueryInputs(table, none, table, none, torch.zeros(1, dtype=torch.int64), features=torch.zeros(0, 7))
    with pytest.raises(ConfigError, match=encoder):
        member("recsys_cl.towers.query_encoders", encoder).Encoder(spec())(inputs)
    with pytest.raises(ConfigError, match="item_id"):
        member("recsys_cl.towers.candidate_encoders", "item_id").Encoder(spec())(CandidateInputs(table, none, table))
