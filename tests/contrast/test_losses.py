"""Losses: each against its paper's equation, entry by entry; by hand; and what masks and corrections do to them."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_contrasts import asked, in_one_dimension, masks, some_contrast
from slow_losses import SLOW, mean_loss

from recsys_cl.contrast import blocks, cores, precision, softmax
from recsys_cl.contrast.supervised import LOSSES
from recsys_cl.families import member, members

pytestmark = pytest.mark.usefixtures("one_thread")
OTHERS = [
    ("bpr", {"negatives": 3}),
    ("info_nce", {"two_sided": True}),
    ("alignment_uniformity", {"uniformity_weight": 0.7}),
]
ALL = [(name, given) for name, given, _ in SLOW] + OTHERS
CPU = torch.device("cpu")


def called(case):
    name, given = case[:2]
    return name + "".join(f":{key}={value}" for key, value in given.items())


def loss_of(contrast, name, given=None):
    module = member(LOSSES, name)
    return module.loss(contrast, module.Config.of(given or {}))


def contrast_for(name, *sizes, **options):
    return some_contrast(*sizes, distances=getattr(member(LOSSES, name), "NEEDS_DISTANCE", False), **options)


def learned(contrast, name, given):
    """The loss and its gradients."""
    loss = loss_of(contrast, name, given)
    return [loss.detach(), *torch.autograd.grad(loss, (contrast.queries, contrast.candidates))]


def assert_finite(found):
    assert all(torch.isfinite(one).all() for one in found)


def test_every_loss_is_tested():
    assert {name for name, _ in ALL} == set(members(LOSSES))


@pytest.mark.parametrize("case", SLOW, ids=called)
@given(data=st.data())
@settings(max_examples=20)
def test_equals_its_equation_entry_by_entry(case, data):
    name, given, slow = case
    rows, columns = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 7))
    positives, known = data.draw(masks(rows, columns))
    temperature = data.draw(st.sampled_from([0.3, 1.0, [[0.2 + row / 3] for row in range(rows)]]))
    made = contrast_for(name, rows, columns, positives=positives, known=known, temperature=temperature, seed=rows)
    nobodys = torch.tensor(data.draw(st.lists(st.booleans(), min_size=columns, max_size=columns)))
    made = replace(
        made,
        log_q=made.log_q.masked_fill(nobodys, math.inf),
        hardest=data.draw(st.sampled_from([0, 0, 1, 2])),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "_BLOCK_SCORES", data.draw(st.integers(1, 40)))
        found = learned(made, name, given)
    assert_finite(found)
    assert found[0].item() == pytest.approx(mean_loss(asked(made), slow, given), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("case", ALL, ids=called)
@pytest.mark.parametrize("block", [1, 20])
def test_gradients_are_those_of_finite_differences(case, block, monkeypatch):
    monkeypatch.setattr(blocks, "_BLOCK_SCORES", block)
    monkeypatch.setitem(softmax._BLOCK_BYTES, "cpu", 8 * block)
    name, given = case
    made = contrast_for(name, positives=[0, 3, 8, 9, 24], known=[1, 10, 27], hardest=0)
    temperatures = torch.tensor([[0.6], [0.7], [0.8], [0.9]], dtype=torch.float64, requires_grad=True)

    def loss(queries, candidates, temperatures):
        return loss_of(replace(made, queries=queries, candidates=candidates, temperature=temperatures), name, given)

    assert torch.autograd.gradcheck(loss, (made.queries, made.candidates, temperatures))


# One query with temperature 1. The positive scores 0 and its column is expected once; one negative scores log 2 and is
# expected once, one log 3 and is expected three times. So the negatives' sum is 2 + 3/3 = 3, and they stand for
# 1 + 1/3 = 4/3 items.
LOG2, LOG3 = math.log(2), math.log(3)
BY_HAND = [
    ("info_nce", {}, math.log(4)),
    ("sampled_softmax", {}, math.log(4)),
    ("supcon", {"form": "in"}, math.log(4)),
    ("decoupled", {}, math.log(3)),
    ("bilateral_softmax", {"power": 2.0}, 2 * math.log(3)),
    ("debiased", {"positive_prior": 0.25}, math.log(1 + (3 - 1 / 3) / 0.75)),
    ("debiased", {"positive_prior": 0.99}, math.log(1 + 168)),  # (3 - 4/3 .99) / .01 = 168
    ("hard_negatives", {"hardness": 1.0}, math.log(1 + 4 / 3 * (4 + 9 / 3) / 3)),
    (
        "cosine_contrastive",
        {"margin": 0.4, "negative_weight": 2.0},
        1 + 2 * ((LOG2 - 0.4) + (LOG3 - 0.4) / 3) / (4 / 3),
    ),
    ("triplet", {"mining": "all", "margin": 0.5}, ((LOG2 + 0.5) + (LOG3 + 0.5) / 3) / (4 / 3)),
    ("triplet", {"mining": "hard", "margin": 0.5}, LOG3 + 0.5),
    ("triplet", {"mining": "semi_hard", "margin": 0.5}, 0.0),  # neither scores less than the positive
    ("triplet", {"mining": "hard", "margin": 0.5, "by_rank": True}, (LOG3 + 0.5) * math.log(1 + 4 / 3)),
    ("spectral", {"scale": 2.0}, 4 * (0 + LOG2**2 + LOG3**2 / 3) / (1 + 4 / 3)),
]


@pytest.mark.parametrize("case", BY_HAND, ids=called)
def test_by_hand(case):
    name, given, expected = case
    made = in_one_dimension(0.0, [LOG2, LOG3], [0.0, 0.0, LOG3])
    assert loss_of(made, name, given).item() == pytest.approx(expected, rel=1e-6)


def test_a_margin_by_hand():
    # Distances: 2 of the positive, 1 and 3 of the negatives, which are expected once and three times.
    made = in_one_dimension(-4.0, [-1.0, -9.0], [0.0, 0.0, LOG3])
    expected = 2**2 / 2 + 6 * (1.5**2 / 2) / (4 / 3)
    given = {"margin": 2.5, "negative_weight": 6.0}
    assert loss_of(made, "margin", given).item() == pytest.approx(expected)


def test_what_the_debiased_sum_cannot_fall_below():
    # Both negatives score -1, as no cosine can be below; half are thought to be positives, which score 1: e^-1 remains.
    made = in_one_dimension(1.0, [-1.0, -1.0], [0.0, 0.0, 0.0])
    loss = loss_of(made, "debiased", {"positive_prior": 0.5})
    assert loss.item() == pytest.approx(math.log((math.e + 2 / math.e) / math.e))


@pytest.mark.parametrize("case", ALL, ids=called)
@pytest.mark.parametrize("how", ["known", "expected never"])
def test_what_is_no_negative_has_no_effect_and_no_gradient(case, how):
    name, given = case
    entries = list(range(5, 28, 7))  # column 5 of each row
    made = contrast_for(name, known=entries if how == "known" else ())
    if how != "known":
        made = replace(made, log_q=made.log_q.index_fill(0, torch.tensor([5]), math.inf))
    one = learned(made, name, given)
    assert (one[2][5] == 0).all()
    assert (one[2] != 0).any()
    elsewhere = made.candidates.detach().clone()
    elsewhere[5] = 7 * made.queries[0].detach()
    if name == "margin":
        elsewhere[5] = made.candidates[6].detach()
    other = learned(replace(made, candidates=elsewhere.requires_grad_()), name, given)
    for left, right in zip(one[:2], other[:2], strict=True):
        assert torch.equal(left, right)


@pytest.mark.parametrize("case", ALL, ids=called)
def test_a_query_without_a_positive_moves_nothing(case):
    name, given = case
    made = contrast_for(name, positives=[0, 3, 14])  # rows 0 and 2
    asking = learned(made, name, given)
    assert (asking[1][[0, 2]] != 0).any(1).all()
    if not given.get("two_sided"):  # there it is a negative of items
        assert (asking[1][[1, 3]] == 0).all()


@pytest.mark.parametrize("case", ALL, ids=called)
def test_no_positive_at_all_costs_nothing(case):
    name, given = case
    for found in learned(contrast_for(name, positives=[]), name, given):
        assert (found == 0).all()


@pytest.mark.parametrize("case", ALL, ids=called)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_without_any_negative_all_is_finite(case, dtype):
    name, given = case
    rest = [entry for entry in range(28) if entry % 8]
    one_row = [entry for entry in rest if entry < 7]
    for options in ({"known": rest}, {"known": one_row}, {"positives": range(28)}):
        assert_finite(learned(contrast_for(name, dtype=dtype, **options), name, given))
    made = contrast_for(name, dtype=dtype)
    assert_finite(learned(replace(made, log_q=torch.full_like(made.log_q, math.inf)), name, given))
    assert_finite(learned(contrast_for(name, 1, 1, dtype=dtype), name, given))


@pytest.mark.parametrize("case", ALL, ids=called)
@pytest.mark.parametrize("size", [0.0, 1e-20, 1.0, 300.0])
@pytest.mark.parametrize("temperature", [0.01, 100.0])
def test_extreme_scores_stay_finite(case, size, temperature):
    name, given = case
    made = contrast_for(name, dtype=torch.float32, temperature=temperature, known=[1, 9])
    wide = replace(
        made,
        queries=(size * made.queries).detach().requires_grad_(),
        log_q=made.log_q * 15,
        candidates=made.candidates.detach().requires_grad_(),
    )
    assert_finite(learned(wide, name, given))
    far = -wide.queries[:, :1].abs() * wide.queries  # every score is low
    assert_finite(learned(replace(wide, queries=far.detach().requires_grad_()), name, given))


@pytest.mark.parametrize("case", [case for case in ALL if case[0] not in {"alignment_uniformity", "bpr"}], ids=called)
@pytest.mark.parametrize("hardest", [1, 2, 4])
def test_of_negatives_the_most_similar_count(case, hardest):
    name, given = case
    made = contrast_for(name, positives=[0, 8, 9, 16, 24], known=[1, 20, 26], hardest=hardest)
    if given.get("two_sided"):
        return  # each side has its own, which the test of its equation covers
    scores = made.queries.detach() @ made.candidates.detach().T
    scores.view(-1)[torch.cat([made.positives, made.known])] = -math.inf
    easy = scores.argsort(1)[:, : 7 - hardest] + 7 * torch.arange(4).unsqueeze(1)
    easy = set(easy.flatten().tolist()) - set(made.positives.tolist())
    without = replace(made, hardest=0, known=torch.tensor(sorted(easy | {1, 20, 26})))
    for left, right in zip(learned(made, name, given), learned(without, name, given), strict=True):
        torch.testing.assert_close(left, right)


@pytest.mark.parametrize("case", ALL, ids=called)
def test_shared_out_among_cores_it_is_the_same(case, monkeypatch):
    name, given = case
    monkeypatch.setattr(blocks, "_BLOCK_SCORES", 300)
    positives = [row * 61 for row in range(40)]  # the last ten rows have none
    made = contrast_for(name, 50, 60, positives=positives, known=range(7, 3000, 13), hardest=20)
    made = replace(made, known=made.known[~torch.isin(made.known, made.positives)])
    alone = learned(made, name, given)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with cores.one_thread_each(CPU):
            shared_out = learned(made, name, given)
    finally:
        torch.set_num_threads(before)
    for ours, theirs in zip(shared_out, alone, strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("case", [case for case in ALL if case[0] != "alignment_uniformity"], ids=called)
def test_in_single_precision_gradients_are_near_and_losses_exact(case, monkeypatch):
    monkeypatch.setattr(precision, "quick_dtype", lambda _: torch.bfloat16)
    exact = contrast_for(case[0], 4, 12, positives=[0, 3, 13, 14, 27], known=[5, 30], seed=3)
    vectors = {name: getattr(exact, name).detach().float().requires_grad_() for name in ("queries", "candidates")}
    others = {name: getattr(exact, name).float() for name in ("log_q", "query_log_q", "weights", "temperature")}
    loss, *gradients = learned(exact, *case)
    near, *rounded = (part.double() for part in learned(replace(exact, **vectors, **others), *case))
    torch.testing.assert_close(near, loss, rtol=1e-2 if case[0] == "sampled_softmax" else 1e-5, atol=1e-5)
    for one, other in zip(rounded, gradients, strict=True):
        assert (one - other).norm() <= 2e-2 * other.norm()


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (("debiased", {"positive_prior": 0.0}), ("info_nce", {})),
        (("hard_negatives", {"hardness": 0.0}), ("info_nce", {})),
        (("supcon", {"form": "out"}), ("sampled_softmax", {})),
        (("bilateral_softmax", {"power": 1.0}), ("decoupled", {})),
        (("supcon", {"form": "in"}), ("info_nce", {})),  # with one positive a query
        (("supcon", {"form": "out"}), ("info_nce", {})),
    ],
    ids=called,
)
def test_special_cases(left, right):
    made = some_contrast(known=[1, 10, 27])
    lengths = (made.queries.detach().norm(dim=1, keepdim=True), made.candidates.detach().norm(dim=1, keepdim=True))
    unit = (one.detach() / length for one, length in zip((made.queries, made.candidates), lengths, strict=True))
    queries, candidates = (one.requires_grad_() for one in unit)
    made = replace(made, queries=queries, candidates=candidates)
    for one, other in zip(learned(made, *left), learned(made, *right), strict=True):
        torch.testing.assert_close(one, other)


def test_hardest_negatives_leave_sampled_softmax_what_it_is():
    made = some_contrast(known=[1, 10, 27], positives=[0, 2, 8, 16, 24])
    for one, other in zip(
        learned(replace(made, hardest=6), "sampled_softmax", {}), learned(made, "sampled_softmax", {}), strict=True
    ):
        torch.testing.assert_close(one, other)


def test_two_sided_is_the_mean_of_both_sides():
    made = some_contrast(positives=[0, 2, 8, 9, 23], known=[1, 12, 27], temperature=[[0.4], [0.5], [0.6], [0.9]])
    turned = {
        column * 4 + row: weight for row, column, weight in zip(made.rows, made.columns, made.weights, strict=True)
    }
    entries = sorted(turned, key=int)
    transpose = replace(
        made,
        queries=made.candidates,
        candidates=made.queries,
        log_q=made.query_log_q,
        positives=torch.stack(entries),
        weights=torch.stack([turned[entry] for entry in entries]),
        known=torch.tensor(sorted(int(entry) % 7 * 4 + int(entry) // 7 for entry in made.known)),
        temperature=torch.tensor(0.6, dtype=torch.float64),
    )
    both = loss_of(made, "info_nce", {"two_sided": True})
    torch.testing.assert_close(both, (loss_of(made, "info_nce") + loss_of(transpose, "info_nce")) / 2)
    assert torch.equal(made.swapped().queries, made.candidates[made.columns.unique()])  # others have nobody to ask for


def test_other_positives_of_a_query_stay_out_or_compete():
    # InfoNCE leaves a query's other positives out; SupCon has them compete.
    made = in_one_dimension(0.0, [LOG3], [0.0, 0.0], positives=torch.tensor([0, 1]), weights=torch.ones(2).double())
    assert loss_of(made, "info_nce").item() == 0
    assert loss_of(made, "supcon", {"form": "out"}).item() == pytest.approx((math.log(4) + math.log(4 / 3)) / 2)
    assert loss_of(made, "supcon", {"form": "in"}).item() == pytest.approx(math.log(2))
