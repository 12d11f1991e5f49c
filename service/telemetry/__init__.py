"""Metrics, log, and whether the process is fit for requests."""
