"""What a person sees while long work runs; nothing at all when quiet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

Advance = Callable[[int, str], None]


class Reporter:
    """Tells a person how far the work is, on standard error, so that standard output stays for results.

    Args:
        quiet: say nothing and draw nothing.
        console: where to write; standard error by default.
    """

    def __init__(self, *, quiet: bool = True, console: Console | None = None) -> None:
        self.quiet = quiet
        self.console = console or Console(stderr=True, quiet=quiet, highlight=False)

    def say(self, text: str) -> None:
        """Print one line (rich markup allowed); it is not broken, so that paths in it can be copied."""
        self.console.print(text, soft_wrap=True)

    @contextmanager
    def bar(self, label: str, total: int | None) -> Iterator[Advance]:
        """Draw a bar for ``total`` steps; the block calls ``advance(steps, note)``, a note being a rate or figure."""
        columns = (
            TextColumn("{task.description:<10}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
        )
        hidden = self.quiet or not self.console.is_terminal
        with Progress(*columns, console=self.console, disable=hidden, transient=True) as progress:
            task = progress.add_task(label, total=total, note="")

            def advance(steps: int, note: str) -> None:
                progress.update(task, advance=steps, note=note)

            yield advance


class Murmur(Reporter):
    """Shows bars where another would, under a label before their own, and says nothing.

    Args:
        aloud: that other.
        label: what the work is called.
    """

    def __init__(self, aloud: Reporter, label: str) -> None:
        super().__init__(quiet=True)
        self._aloud, self._label = aloud, label

    @contextmanager
    def bar(self, label: str, total: int | None) -> Iterator[Advance]:
        """Draw the bar."""
        with self._aloud.bar(f"{self._label}, {label}", total) as advance:
            yield advance


SILENT = Reporter(quiet=True)
