"""Metrics, log, and whether the process is ready for requests."""
