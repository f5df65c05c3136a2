"""Successive halving: the better ones go on, the first is tried on every rung, and time ends it."""

from __future__ import annotations

from recsys_cl.training.halving import halve


def never(_rung: str) -> bool:
    return False


def test_one_in_so_many_goes_on_and_the_best_comes_first():
    tried = []

    def try_out(setting, rung):
        tried.append((setting, rung))
        return float(setting)

    best = halve(range(9), ("cheap", "dear", "dearer"), try_out, keep=3, is_over=never)
    assert [one for one, rung in tried if rung == "cheap"] == list(range(9))
    assert [one for one, rung in tried if rung == "dear"] == [0, 8, 7, 6]
    assert [one for one, rung in tried if rung == "dearer"] == [0, 8, 7]
    assert best == [(8, 8.0), (7, 7.0), (0, 0.0)]


def test_the_first_is_tried_even_if_there_is_no_time():
    assert halve([5, 6], ("a", "b"), lambda *_: 1.0, keep=2, is_over=lambda _: True) == [(5, 1.0)]


def test_time_may_end_each_rung_of_its_own():
    tried = []

    def try_out(setting, rung):
        tried.append((setting, rung))
        return -float(setting)

    best = halve([3, 1, 2], ("a", "b"), try_out, keep=2, is_over=lambda rung: rung == "a" and len(tried) == 2)
    assert tried == [(3, "a"), (1, "a"), (3, "b"), (1, "b")]
    assert best == [(1, -1.0), (3, -3.0)]
