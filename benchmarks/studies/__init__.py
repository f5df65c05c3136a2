"""Small studies of contrastive methods, whose plots stand in docs/contrastive.

    python -m benchmarks.studies --home DIR [--only moco byol sparse_users cold_items]

Each is a file with ``RUNS``, settings by name, ``measured``, what comes of them with a seed, and ``draw``. Methods are
looked at on the validation part; `cold_items` also asks for all that users ever did with the items it keeps out. What
is in `benchmarks/results/studies.json` is not run again.
"""
