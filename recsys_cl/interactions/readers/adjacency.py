"""Adjacency lines, `user item item …`, as recommender papers publish their splits and sequences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from recsys_cl.config import IngestConfig
from recsys_cl.interactions.batches import Batch, Layout, Wanted, none_unreadable, unreadable
from recsys_cl.interactions.lines import Block, block_size, blocks, encoding_of, head_lines, read_head

_COLUMNS = ("user", "item")


def likeness(head: bytes, name: str) -> int:  # noqa: ARG001 - one signature
    """Tell how much a file looks like adjacency lines: words of numbers, not the same count in every line."""
    if any(mark in head for mark in (b"\x00", b",", b";", b"::", b"|", b"{", b'"')):
        return 0
    lines = [line.split() for line in head_lines(head, encoding_of(head), limit=200)]
    words = [word for line in lines for word in line]
    if sum(word.isdigit() for word in words) < 0.9 * len(words):
        return 0
    width, count = Counter(map(len, lines)).most_common(1)[0]
    return 3 if count < 0.75 * len(lines) or width > 8 else 0


def layout(path: Path, config: IngestConfig) -> Layout:  # noqa: ARG001 - one signature
    """Look at the first lines; lists that all rise by number are taken to be sorted by item, not by time."""
    head = read_head(path)
    encoding = encoding_of(head)
    lines = [line.split() for line in head_lines(head, encoding)]
    pairs = [(line[0], item) for line in lines for item in line[1:]][:1000]
    sample = pl.DataFrame(pairs, schema=dict.fromkeys(_COLUMNS, pl.String()), orient="row")
    return Layout(_COLUMNS, sample, named=False, delimiter=" ", encoding=encoding, ordered=not _sorted(lines))


def read(path: Path, layout: Layout, wanted: Wanted) -> Iterator[Batch]:
    """Read the pairs; every pair of a line has the line's number."""
    size = block_size(read_head(path), wanted.batch_rows, separators=b" \t\n")
    for block in blocks(path, size, encoding=layout.encoding):
        yield _batch(block, wanted)


def _batch(block: Block, wanted: Wanted) -> Batch:
    text, bad = _decoded(block)
    lines = pl.DataFrame({"line": text.replace("\t", " ").replace("\r", "").split("\n")[:-1]})
    lines = lines.with_row_index("row", offset=block.first_line).with_columns(pl.col("row").cast(pl.Int64))
    words = lines.filter(pl.col("line").str.contains(r"\S")).with_columns(
        pl.col("line").str.split(" ").list.eval(pl.element().filter(pl.element() != "")).alias("words")
    )
    parted = words.select(
        "row", pl.col("words").list.first().alias("user"), pl.col("words").list.slice(1).alias("item")
    )
    lone = pl.col("item").list.len() == 0  # a user without items is one row without an item
    pairs = parted.filter(~lone).explode("item")
    if parted.select(lone.any()).item():
        without = parted.filter(lone).select("row", "user", pl.lit(None, pl.String()).alias("item"))
        pairs = pl.concat([pairs, without]).sort("row", maintain_order=True)
    return Batch(pairs.select(*wanted.columns, "row"), bad, block.size)


def _decoded(block: Block) -> tuple[str, pl.DataFrame]:
    try:
        return block.data.decode("utf-8"), none_unreadable()
    except UnicodeDecodeError:
        kept, rows, raw = [], [], []
        for number, line in enumerate(block.data.split(b"\n")):
            try:
                kept.append(line.decode("utf-8"))
            except UnicodeDecodeError:
                kept.append("")
                rows.append(block.first_line + number)
                raw.append(line.decode("utf-8", errors="backslashreplace"))
        return "\n".join(kept), unreadable(rows, "undecodable", raw)


def _sorted(lines: list[list[str]]) -> bool:
    lists = [[int(word) for word in line[1:]] for line in lines if len(line) > 2 and all(w.isdigit() for w in line[1:])]
    rising = sum(items == sorted(items) for items in lists)
    return bool(lists) and rising >= 0.95 * len(lists)
