"""Small studies of contrastive methods, whose plots stand in docs/contrastive.

    python -m benchmarks.studies --home DIR [--only moco byol sparse_users]

Each is a file with ``RUNS``, the trainings it needs by name, and ``draw``. A training is validated on the validation
part alone; the test part is never read. What is in `benchmarks/results/studies.json` is not run again.
"""
