"""One file a format; each turns a source into batches of raw columns."""
