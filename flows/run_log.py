"""What the stages have to say, in the log of the Prefect run, where its pages show it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from prefect import get_run_logger
from rich.text import Text

from recsys_cl.progress import Advance, Reporter

_EVERY = 60.0  # seconds between two lines on the same long work


class RunLog(Reporter):
    """Logs a line for each thing said, and a line a minute on work that takes longer. Make it within a run."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self._log = get_run_logger()

    def say(self, text: str) -> None:
        """Log one line; rich markup is taken out."""
        self._log.info("%s", Text.from_markup(text).plain)

    @contextmanager
    def bar(self, label: str, total: int | None) -> Iterator[Advance]:
        """Log once a minute how many of ``total`` steps are done."""
        done, told = 0, time.monotonic()

        def advance(steps: int, note: str) -> None:
            nonlocal done, told
            done += steps
            if time.monotonic() - told >= _EVERY:
                told = time.monotonic()
                self._log.info("%s: %s%s %s", label, f"{done:,}", f" of {total:,}," if total else ",", note)

        yield advance
