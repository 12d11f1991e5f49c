"""Benchmarks of the service: load generators, scenarios, comparison with other servers, and recorded results."""
