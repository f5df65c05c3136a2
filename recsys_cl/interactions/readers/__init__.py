"""The formats a log can have, one file each; a file added here is a format added.

Every reader offers three functions:

- ``likeness(head, name) -> int``: how much a file looks like the format, from its first bytes (decompressed) and its
  name: 0 for not at all, 1 for possibly, 2 for certainly by content, 3 for by content and name. Highest wins.
- ``layout(path, config) -> Layout``: columns, sample rows, delimiter, encoding.
- ``read(path, layout, wanted) -> Iterator[Batch]``: the rows, in bounded memory.

Readers raise `InputError` for a file they cannot read; a row they cannot read is an unreadable row of its batch.
"""
