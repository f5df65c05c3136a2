"""One run at a time in a workspace."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from prefect import get_run_logger

from flows.plan import Plan
from recsys_cl.errors import BusyError

_LOOK_AGAIN = 15.0  # seconds


@contextmanager
def in_turn(plan: Plan) -> Iterator[None]:
    """Hold the plan's workspace for the block, after waiting ``plan.wait`` seconds at most for another run to end.

    Raises:
        BusyError: another run holds the workspace still.
        ConfigError: a setting is unknown or out of range; nothing is waited for then.
    """
    workspace = plan.job().workspace
    deadline = time.monotonic() + plan.wait
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(workspace.held())
                break
            except BusyError:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise
                get_run_logger().info("Another run is working in %s; waiting, %.0f s at most.", workspace.home, left)
                time.sleep(min(left, _LOOK_AGAIN))
        yield
