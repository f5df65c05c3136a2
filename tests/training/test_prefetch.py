"""Making batches ahead keeps their order and their errors."""

from __future__ import annotations

import threading

import pytest

from recsys_cl.training.prefetch import made_ahead


def test_order_is_kept_and_another_thread_makes_them():
    makers = set()

    def things():
        for number in range(50):
            makers.add(threading.current_thread().name)
            yield number + 1

    assert list(made_ahead(things())) == list(range(1, 51))
    assert threading.current_thread().name not in makers
    assert len(makers) == 1
    assert list(made_ahead(iter([]))) == []


def test_an_error_reaches_the_one_who_waits():
    def things():
        yield 1
        raise OSError("disk gone")

    made = made_ahead(things())
    assert next(made) == 1
    with pytest.raises(OSError, match="disk gone"):
        next(made)


def test_leaving_early_leaves_no_thread_behind():
    made = made_ahead(iter(range(1, 100)))
    next(made)
    made.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("batches")]
