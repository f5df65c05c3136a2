"""Prefect flows: the stages, scheduled. They orchestrate and nothing else."""
