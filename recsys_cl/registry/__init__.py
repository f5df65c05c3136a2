"""Versions in MLflow, and the gate between challenger and champion."""
