"""Words and tables in a terminal.

Words are wrapped to the terminal's width, but a path or an id is never broken and a cell never cut short: what is too
long for a line runs over its end.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from textwrap import wrap

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

_LABEL = 12  # characters of the column of labels


def entry(
    console: Console, label: str, text: str, *, style: str = "", before: Text | None = None, width: int = _LABEL
) -> None:
    """Print a label and a text, whose further lines stand under the first."""
    lead = (before or Text()) + Text(f"{label:<{width}}")
    room = max(console.width - cell_len(lead.plain), 20)
    for line in wrap(text, room, break_long_words=False, break_on_hyphens=False) or [""]:
        console.print(lead + Text(line, style), soft_wrap=True)
        lead = Text(" " * cell_len(lead.plain))


def columns(
    console: Console,
    heads: Sequence[str],
    rows: Sequence[Sequence[Text]],
    *,
    left: Collection[str] = (),
    notes: Sequence[str] = (),
) -> None:
    """Print a table: the first column and those of ``left`` begin at the left, the others end at the right.

    ``notes`` are printed under their rows.
    """
    table = [[Text(head, "bold") for head in heads], *rows]
    widths = [max(cell_len(line[place].plain) for line in table) for place in range(len(heads))]
    for line, note in zip(table, ["", *notes, *[""] * (len(rows) - len(notes))], strict=True):
        padded = []
        for place, (cell, width) in enumerate(zip(line, widths, strict=True)):
            gap = " " * (width - cell_len(cell.plain))
            at_left = place == 0 or heads[place] in left
            padded.append(cell + gap if at_left else Text(gap) + cell)
        joined = Text("  ").join(padded)
        joined.rstrip()
        console.print(joined, soft_wrap=True)
        if note:
            entry(console, "", note, style="dim", width=widths[0] + 2)
